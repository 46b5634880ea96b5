"""Builds the batch object of API responses."""

from api.batches.expected_end import BatchEnd
from shared.batches.batch import Batch
from shared.batches.outputs import output_folder_of
from shared.responses.batches import BatchError, BatchErrors, BatchResponse, RequestCounts
from shared.responses.job import bucket_copy_response


def batch_response(batch: Batch, model: str, end: BatchEnd) -> BatchResponse:
    """Returns the batch for a response. `model` is the public name of the model, and `end` the batch's expected end."""
    spec, counts, times = batch.spec, batch.counts, batch.times
    faults = [BatchError(**fault.model_dump()) for fault in batch.errors]
    moments = {name: getattr(times, name) for name in times.__slots__}
    return BatchResponse(
        id=batch.batch_id,
        endpoint=spec.endpoint,
        model=model,
        input_file_id=spec.input_file_id,
        completion_window=spec.window,
        status=batch.status,
        errors=BatchErrors(data=faults) if faults else None,
        output_file_id=batch.output_file_id,
        error_file_id=batch.error_file_id,
        request_counts=RequestCounts(total=counts.total, completed=counts.completed, failed=counts.failed),
        metadata=dict(spec.metadata) or None,
        paused=batch.is_paused,
        waiting_for=batch.waiting_for,
        eta_s=end.eta_s,
        expected_end=end.expected_end,
        on_time=end.is_on_time,
        num_released=counts.open,
        strict=spec.strict,
        priority=batch.precedence.priority,
        finish_by=batch.precedence.finish_by,
        defaults=spec.defaults.model_dump(exclude_none=True),
        deadline=spec.deadline,
        delete_after_s=spec.delete_after_s,
        retry_of=spec.retry_of,
        output_prefix=spec.output_prefix,
        output_folder=output_folder_of(batch.batch_id, spec),
        bucket_copy=bucket_copy_response(batch.bucket_copy),
        webhook_url=spec.webhook_url,
        webhook_events=list(spec.webhook_events),
        webhook_payload=spec.webhook_payload if spec.webhook_url else None,
        **{name: int(moment.timestamp()) if moment else None for name, moment in moments.items()},
    )
