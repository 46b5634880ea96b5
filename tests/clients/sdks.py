"""Client libraries for image APIs, in Python and Node. Each function runs one of them and returns its row."""

from tests.clients.bench import Bench
from tests.clients.rows import Row

_ALIASES = "none with the model's own name; `GRIDPRESS_MODEL_ALIASES` for others, such as `dall-e-3`"


def openai_python(bench: Bench) -> Row:
    return bench.python("openai (Python)", "recent", "openai", "openai_sdk.py", setting=_ALIASES)


def openai_python_old(bench: Bench) -> Row:
    return bench.python("openai (Python), old", "old", "openai", "openai_sdk.py", setting=_ALIASES)


def openai_node(bench: Bench) -> Row:
    return bench.node("openai (Node)", "openai", "openai.mjs", "openai", setting=_ALIASES)


def openai_node_old(bench: Bench) -> Row:
    return bench.node("openai (Node), old", "openai-6", "openai.mjs", "openai-6", setting=_ALIASES)


def litellm(bench: Bench) -> Row:
    return bench.python("litellm and its router", "recent", "litellm", "litellm_sdk.py", setting=_ALIASES)


def ai_sdk(bench: Bench) -> Row:
    return bench.node("AI SDK, both OpenAI providers", "ai", "ai_sdk.mjs", setting=_ALIASES)


def pydantic_ai(bench: Bench) -> Row:
    return bench.python("pydantic-ai", "recent", "pydantic-ai-slim", "pydantic_ai_sdk.py", setting=_ALIASES)


def langchain(bench: Bench) -> Row:
    setting = "`GRIDPRESS_MODEL_ALIASES=dall-e-2,dall-e-3`. It reads links, the default of such names"
    return bench.python(
        "langchain's DallEAPIWrapper", "recent", "langchain-community", "langchain_sdk.py", setting=setting
    )


def zai(bench: Bench) -> Row:
    return bench.python("zai-sdk", "recent", "zai-sdk", "zai_sdk.py", "zai")


def zhipuai(bench: Bench) -> Row:
    return bench.python("zhipuai", "old", "zhipuai", "zai_sdk.py", "zhipuai")


CLIENTS = (
    openai_python,
    openai_python_old,
    openai_node,
    openai_node_old,
    litellm,
    ai_sdk,
    pydantic_ai,
    langchain,
    zai,
    zhipuai,
)
