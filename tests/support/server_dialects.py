"""Behaviours of the tests' image server that read orders as real image servers do.

Each follows its server's source, named beside it with its version: what it reads of a request, what it ignores, and how
it answers and refuses. Pictures have a colour derived from the seed that the server used.
"""

import base64
import json
import random
import re
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar

from tests.support.image_server import MODEL, Asked, Behaviour, lists, picture, reply, says


@dataclass(frozen=True)
class Drew:
    """A picture that a server drew, and by which orders."""

    prompt: str
    width_px: int
    height_px: int
    seed: int
    steps: int
    guidance: float


def colour(seed: int) -> tuple[int, int, int]:
    """The colour of pictures drawn with this seed."""
    return seed % 251, seed // 251 % 251, 7


@dataclass
class SdCpp:
    """stable-diffusion.cpp, examples/server/routes_openai.cpp at 97d29908 (August 2026).

    It reads prompt, n and size. Everything else comes from its own defaults, or from the first block of orders in the
    prompt. Blocks are removed once, wherever they are.
    """

    drew: list[Drew] = field(default_factory=list)
    lists: Behaviour = field(default_factory=lambda: lists("sd-cpp-local", owned_by="local"))

    BLOCK: ClassVar = re.compile(r"<sd_cpp_extra_args>(.*?)</sd_cpp_extra_args>")

    def __call__(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        """Answer one order."""
        prompt: str = asked.body.get("prompt", "")
        if not prompt:
            says(400, {"error": "prompt required"})(handler, asked)
            return
        width_px, height_px = sides(asked.body["size"])
        found = self.BLOCK.search(prompt)
        orders: dict[str, Any] = {}
        if found is not None:
            try:
                orders = json.loads(found[1])
            except ValueError:
                says(400, {"error": "invalid sd_cpp_extra_args"})(handler, asked)
                return
        sampling = orders.get("sample_params", {})
        drew = Drew(
            orders.get("prompt", self.BLOCK.sub("", prompt)),
            orders.get("width", width_px),
            orders.get("height", height_px),
            orders.get("seed", 42),
            sampling.get("sample_steps", 20),
            sampling.get("guidance", {}).get("txt_cfg", 7.0),
        )
        self.drew.append(drew)
        item = {"b64_json": in_base64(drew)}
        answer = {"created": 1, "data": [item] * orders.get("batch_count", 1), "output_format": "png"}
        reply(handler, 200, json.dumps(answer).encode())


@dataclass
class SgLang:
    """sglang-diffusion of sglang 0.5.23, multimodal_gen/runtime/entrypoints/openai/image_api.py.

    It ignores the model's name, draws with seed 42 without one, and sends a JPEG unless another format is named. Extra
    fields are allowed.
    """

    drew: list[Drew] = field(default_factory=list)
    lists: Behaviour = field(
        default_factory=lambda: lists("/models/z", owned_by="sglang", root="/models/z", task_type="T2I", num_gpus=1)
    )

    def __call__(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        """Answer one order."""
        body = asked.body
        if body.get("response_format", "url") != "b64_json":
            detail = "response_format='url' requires cloud storage to be configured."
            says(400, {"detail": detail})(handler, asked)
            return
        drew = Drew(
            body["prompt"],
            *sides(body.get("size", "1024x1024")),
            seed=body.get("seed", 42),
            steps=body.get("num_inference_steps", 9),
            guidance=body.get("guidance_scale", 0.0),
        )
        self.drew.append(drew)
        file_format = {"png": "PNG", "webp": "WEBP"}.get(body.get("output_format"), "JPEG")
        data = {"b64_json": in_base64(drew, file_format), "url": None, "revised_prompt": drew.prompt, "file_path": None}
        answer = {"id": "1", "created": 1, "data": [data], "peak_memory_mb": 1.0, "usage": {"image_count": 1}}
        reply(handler, 200, json.dumps(answer).encode())


@dataclass
class VllmOmni:
    """vllm-omni 0.30, entrypoints/openai/api_server.py, with vLLM's form of errors.

    It draws with one model and refuses other names. Its pipeline takes 50 steps with guidance 5 if none are named.
    """

    drew: list[Drew] = field(default_factory=list)
    model: str = MODEL
    pixels_max: int | None = None
    lists: Behaviour = field(
        default_factory=lambda: lists(
            MODEL, owned_by="vllm", root=MODEL, parent=None, permission=[{"id": "modelperm-1"}]
        )
    )

    def __call__(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        """Answer one order."""
        body = asked.body
        width_px, height_px = sides(body["size"])
        if body.get("model", self.model) != self.model:
            named = f"request specifies '{body['model']}' but server is running '{self.model}'"
            vllm_refuses(f"Model mismatch: {named}.")(handler, asked)
            return
        if self.pixels_max is not None and width_px * height_px > self.pixels_max:
            size = f"Requested image size {width_px}x{height_px} exceeds the maximum allowed size of {self.pixels_max}"
            vllm_refuses(f"{size} pixels. You can reduce the requested size.")(handler, asked)
            return
        drew = Drew(
            body["prompt"],
            width_px,
            height_px,
            seed=body.get("seed", 0),
            steps=body.get("num_inference_steps", 50),
            guidance=body.get("guidance_scale", 5.0),
        )
        self.drew.append(drew)
        data = {"b64_json": in_base64(drew, compress_level=0), "url": None, "revised_prompt": None}
        answer = {"created": 1, "data": [data], "output_format": "png", "size": body["size"], "metrics": None}
        reply(handler, 200, json.dumps(answer).encode())


def vllm_refuses(message: str, status: int = 400, kind: str = "Bad Request") -> Behaviour:
    """vLLM's form of an error."""
    return says(status, {"error": {"message": message, "type": kind, "param": None, "code": status}})


@dataclass
class LocalAI:
    """LocalAI at 82c191af (August 2026), core/http/endpoints/openai/image.go.

    It reads `step`, takes what follows a vertical bar in the prompt for a negative prompt, and has guidance in the
    configuration of the model. Its list of models has neither owner nor date.
    """

    drew: list[Drew] = field(default_factory=list)
    negative: list[str] = field(default_factory=list)
    model: str = "z-image"
    lists: Behaviour = field(
        default_factory=lambda: says(200, {"object": "list", "data": [{"id": "z-image", "object": "model"}]})
    )

    def __call__(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        """Answer one order."""
        body = asked.body
        if body["model"] != self.model and "/" not in body["model"]:
            message = f'model "{body["model"]}" not found. To see available models, call GET /v1/models'
            local_ai_refuses(404, message)(handler, asked)
            return
        prompt, *negative = body["prompt"].split("|")
        self.negative += negative[:1]
        width_px, height_px = sides(body["size"])
        drew = Drew(prompt, width_px, height_px, seed=body.get("seed", 0), steps=body.get("step", 15), guidance=1.0)
        self.drew.append(drew)
        item: dict[str, object] = {"index": 0, "url": f"http://{asked.headers['host']}/generated-images/b64.png"}
        if body.get("response_format") == "b64_json":
            item = {"index": 0, "b64_json": in_base64(drew)}
        answer = {"created": 1, "id": "1", "data": [item], "usage": {"prompt_tokens": 0, "total_tokens": 0}}
        reply(handler, 200, json.dumps(answer).encode())


def local_ai_refuses(status: int, message: str, kind: str = "invalid_request_error", **headers: str) -> Behaviour:
    """LocalAI's form of an error."""
    return says(status, {"error": {"code": status, "message": message, "type": kind}}, **headers)


@dataclass
class Diffusers:
    """The example server of diffusers at 58eb52c0 (August 2026), examples/server/server.py.

    It reads prompt and model only, draws 1024x1024 with a random seed, and answers with a link that begins with its
    SERVICE_URL. It has no list of models.
    """

    service_url: str
    drew: list[Drew] = field(default_factory=list)
    lists: Behaviour = field(default_factory=lambda: says(404, {"detail": "Not Found"}))

    def __call__(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        """Answer one order, or a request for a file."""
        if asked.method == "GET":
            reply(handler, 200, file_of(self.drew[-1]), {"content-type": "image/png"})
            return
        self.drew.append(Drew(asked.body["prompt"], 1024, 1024, random.randrange(10_000_000), 28, 7.0))
        answer = {"data": [{"url": f"{self.service_url}/images/draw1.png"}]}
        reply(handler, 200, json.dumps(answer).encode())


def sides(size: str) -> tuple[int, int]:
    """Width and height of `512x384`."""
    width_px, height_px = map(int, size.split("x"))
    return width_px, height_px


def file_of(drew: Drew, file_format: str = "PNG", **options: Any) -> bytes:
    """The picture as a file."""
    return picture(drew.width_px, drew.height_px, file_format, colour=colour(drew.seed), **options)


def in_base64(drew: Drew, file_format: str = "PNG", **options: Any) -> str:
    """The picture as it stands in answers."""
    return base64.b64encode(file_of(drew, file_format, **options)).decode()
