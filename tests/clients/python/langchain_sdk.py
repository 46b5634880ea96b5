"""langchain-community's wrapper of DALL-E. It returns links, and names a model of the dall-e kind."""

from langchain_community.utilities.dalle_image_generator import DallEAPIWrapper
from steps import KEY, PROMPT, SIZE, URL, check_link, step

for name in ("dall-e-2", "dall-e-3"):
    with step(f"run, {name}"):
        check_link(DallEAPIWrapper(model=name, size=SIZE, base_url=f"{URL}/v1", api_key=KEY, timeout=60).run(PROMPT))
