"""openai for Python, the old release and the new one: every call of the Images API that the installed release has."""

import openai
from steps import KEY, PICTURE, PROMPT, SIZE, URL, check_base64, check_link, expect, step

client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, timeout=60)
has_streams = int(openai.__version__.split(".")[0]) >= 2

with step("models"):
    names = [model.id for model in client.models.list()]
    expect(client.models.retrieve(names[0]).id == names[0], "the first model of the list can't be retrieved")
with step("generate"):
    check_base64(client.images.generate(prompt=PROMPT, size=SIZE, n=2).data[1].b64_json)
with step("generate, as url"):
    check_link(client.images.generate(prompt=PROMPT, size=SIZE, response_format="url").data[0].url)
with step("generate, dall-e-3"):
    made = client.images.generate(model="dall-e-3", prompt=PROMPT, size=SIZE, quality="standard", style="vivid")
    check_link(made.data[0].url)
with step("edit"):
    check_base64(client.images.edit(image=PICTURE.open("rb"), prompt=PROMPT, size=SIZE).data[0].b64_json)
with step("error"):
    try:
        client.images.generate(prompt=PROMPT, size="7x7")
    except openai.BadRequestError as error:
        expect("7x7" in str(error) or "size" in str(error), f"the message is {error}")
    else:
        raise ValueError("a size of 7x7 was accepted")
with step("error of an unknown route"):
    try:
        client.chat.completions.create(model="gpt-4", messages=[{"role": "user", "content": "hello"}])
    except openai.NotFoundError as error:
        expect(str(error) != "Error code: 404", "the exception has no message")
    else:
        raise ValueError("a chat was answered")
if has_streams:
    with step("stream"):
        stream = client.images.generate(prompt=PROMPT, size=SIZE, stream=True, partial_images=1)
        events = [event.type for event in stream]
        expect(events[-1] == "image_generation.completed", f"the events were {events}")
