"""litellm's functions and its router."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # otherwise the import asks a server in the internet for prices

import litellm
from steps import KEY, PICTURE, PROMPT, SIZE, URL, check_base64, check_link, expect, step

MODEL = "openai/zai-org/GLM-Image"
server = {"api_base": f"{URL}/v1", "api_key": KEY, "timeout": 60}
litellm.telemetry = False

with step("image_generation"):
    made = litellm.image_generation(model=MODEL, prompt=PROMPT, size=SIZE, **server)
    check_base64(made.data[0].b64_json)
with step("image_generation, dall-e-3"):
    made = litellm.image_generation(model="openai/dall-e-3", prompt=PROMPT, size="1024x1024", **server)
    check_link(made.data[0].url)
with step("image_edit"):
    made = litellm.image_edit(model="openai/gpt-image-1", image=PICTURE.open("rb"), prompt=PROMPT, **server)
    check_base64(made.data[0].b64_json)
with step("router"):
    pool = [{"model_name": "pictures", "litellm_params": {"model": MODEL, **server}}]
    made = litellm.Router(model_list=pool, num_retries=1).image_generation(model="pictures", prompt=PROMPT, size=SIZE)
    check_base64(made.data[0].b64_json)
with step("error"):
    try:
        litellm.image_generation(model=MODEL, prompt=PROMPT, size="7x7", **server)
    except litellm.BadRequestError as error:
        expect("size" in str(error), f"the message is {error}")
    else:
        raise ValueError("a size of 7x7 was accepted")
