-- Functions that make webhook messages about a batch.

-- needs: keys, fields, outbox

-- Returns the batch's tenant, the data of a webhook message about the batch (JSON), and the fields that say who gets it.
local function webhook_data_of(batch)
  local known = fields_of(P .. 'batch:' .. batch, 'tenant', 'status', 'total', 'completed', 'failed', 'webhook_url',
    'webhook_events')
  return known.tenant, cjson.encode({ id = batch, object = 'batch', status = known.status, request_counts = {
    total = tonumber(known.total), completed = tonumber(known.completed), failed = tonumber(known.failed) } }), known
end

-- Sends the webhook message about the end of a batch. A batch that is retried ends again, with a new message.
local function send_end_of_batch(batch, now)
  local tenant, data, asked = webhook_data_of(batch)
  local round, type = redis.call('HGET', P .. 'batch:' .. batch, 'round'), 'batch.' .. asked.status
  emit_message(tenant, message_of(batch, type, round ~= '0' and round or nil), type, '', now, data, asked)
end
