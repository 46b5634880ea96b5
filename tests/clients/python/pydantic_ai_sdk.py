"""pydantic-ai's image generator, with its OpenAI provider."""

from pydantic_ai import BinaryImage
from pydantic_ai.images import ImageGenerator
from pydantic_ai.images.openai import OpenAIImageGenerationModel
from pydantic_ai.providers.openai import OpenAIProvider
from steps import KEY, PICTURE, PROMPT, URL, check_picture, step

provider = OpenAIProvider(base_url=f"{URL}/v1", api_key=KEY)

for name in ("zai-org/GLM-Image", "gpt-image-1"):
    generator = ImageGenerator(OpenAIImageGenerationModel(name, provider=provider))
    with step(f"generate, {name}"):
        check_picture(generator.generate_sync(PROMPT).images[0].content.data)
with step("edit, with input_fidelity"):
    given = BinaryImage(PICTURE.read_bytes(), media_type="image/png")
    settings = {"openai_input_fidelity": "low"}
    check_picture(generator.generate_sync(PROMPT, images=[given], settings=settings).images[0].content.data)
