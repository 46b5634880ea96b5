"""Condition images of batch lines are stored as long as one of the jobs of these lines uses them."""

from tests.api.pictures import data_url, png
from tests.workers.batches.shop import Shop, a_line, jsonl
from tests.workers.batches.test_delete import delete, sweep
from workers.upkeep.inputs import delete_unused_inputs

IMAGE = {"images": [data_url(png(256, 256))], "size": "256x256"}


def uses(shop: Shop) -> list[int]:
    """How many jobs use each image."""
    return [shop.client.scard(key) for key in shop.client.keys("gridpress:input_uses:*")]


def upkeep(shop: Shop) -> int:
    """As if the time of all holds had passed."""
    for key in shop.client.zrange("gridpress:inputs_unused", 0, -1):
        shop.client.zadd("gridpress:inputs_unused", {key: 0})
    return delete_unused_inputs(shop.house.inputs, shop.house.objects)


def test_lines_of_one_image_share_it_until_the_batch_is_deleted(shop: Shop) -> None:
    batch = shop.run(shop.create(jsonl([a_line(number, **IMAGE) for number in range(3)])))
    assert (batch["status"], uses(shop), upkeep(shop)) == ("completed", [3], 0)
    assert delete(shop, batch) == 204
    sweep(shop)
    assert (uses(shop), upkeep(shop), shop.client.keys("gridpress:input_names:*")) == ([], 1, [])


def test_a_retried_batch_stores_its_images_again(shop: Shop) -> None:
    shop.fails = lambda claim: True
    batch = shop.run(shop.create(jsonl([a_line(0, **IMAGE)])))
    (line,) = shop.results(batch)
    assert shop.http.delete(f"/v1/jobs/{line['job_id']}").status_code == 204
    assert (upkeep(shop), uses(shop)) == (1, [])
    shop.fails = lambda claim: False
    shop.do(batch, "retry")
    again = shop.run(batch)
    assert (again["request_counts"]["completed"], uses(shop)) == (1, [1])
