"""A content hook: refuses prompts with forbidden words, and allows every picture.

    SECRET=whsec_... python examples/content_hook.py --port 9100

docs/content_hooks.md explains requests and answers. A real hook would look at the pictures, too.
"""

import argparse
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

FORBIDDEN = ("weapon", "blood")


def decide(question: dict[str, Any]) -> dict[str, str]:
    """Returns the answer to a question of Gridpress."""
    data = question["data"]
    prompt = f"{data['prompt']} {data['revised_prompt'] or ''}".lower()
    for word in FORBIDDEN:
        if word in prompt:
            return {"decision": "reject", "code": "violence", "reason": f"the word {word} is not permitted"}
    return {"decision": "allow"}


class Handler(BaseHTTPRequestHandler):
    """Verifies the signature of each request and answers with a decision."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            question = Webhook(os.environ["SECRET"]).verify(body, dict(self.headers.items()))
        except WebhookVerificationError:
            self.send_error(401)
            return
        answer = json.dumps(decide(question)).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=9100)
    ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Handler).serve_forever()
