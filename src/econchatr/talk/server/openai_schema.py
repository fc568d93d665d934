"""What is asked and answered over HTTP: the OpenAI API's shapes, as far as they mean something here.

A field that would change the meaning of an answer and cannot be honoured (tools, pictures, JSON mode) is refused; one
that changes nothing is passed over. This module knows no model.

Source: the openai package's types, version 3.54.0.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_MAX_CHOICES = 8
_MAX_MESSAGES = 256
"""A context holds hardly more, were they all empty; a body has room for so many that everybody else waits seconds."""
_MAX_BIASES = 1024

Text = Annotated[str, Field(min_length=1)]
TokenNumber = Annotated[str, Field(pattern=r"^[0-9]{1,9}$")]
Bias = Annotated[float, Field(ge=-100, le=100)]
Biases = Annotated[
    dict[TokenNumber, Bias], Field(max_length=_MAX_BIASES, json_schema_extra={"additionalProperties": False})
]
FinishReason = Literal["stop", "length"]


def _drop_zeros(value: object) -> object:
    """To JSON, 1.0 is a whole number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_drop_zeros)
"""Stands behind a number's limits: only so do they come out in the OpenAPI under their right names."""
Count = Annotated[int, Field(ge=1), WHOLE]
Whole = Annotated[int, WHOLE]


class _Asked(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


# --- asked ------------------------------------------------------------------------------------------------------------


class TextPart(_Asked):
    """A piece of a message; pictures and sound are not understood."""

    type: Literal["text"]
    text: str


class ChatMessage(_Asked):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | Annotated[list[TextPart], Field(max_length=_MAX_MESSAGES)] | None = None

    @property
    def text(self) -> str:
        """Its words."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(_Asked):
    """What else to send when an answer is sent piece by piece."""

    include_usage: bool | None = None


class DrawRequest(_Asked):
    """What both ways of asking share."""

    model: str
    temperature: float | None = Field(default=None, ge=0, le=2)
    """0.6 unless given."""
    top_p: float | None = Field(default=None, ge=0, le=1)
    n: Annotated[int, Field(ge=1, le=_MAX_CHOICES), WHOLE] | None = None
    stop: Text | Annotated[list[Text], Field(max_length=4)] | None = None
    seed: Whole | None = None
    """With a seed the same request gets the same answer, whoever else asks; it then has the server to itself."""
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    logit_bias: Biases | None = None
    max_tokens: Count | None = None
    """250 unless given."""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    top_k: Annotated[int, Field(ge=0, le=100_000), WHOLE] | None = None
    """Beyond the OpenAI API, like the two below."""
    min_p: float | None = Field(default=None, ge=0, le=1)
    repeat_penalty: float | None = Field(default=None, ge=1, le=2)
    """1.05 unless given; 1 is off."""


class TextFormat(_Asked):
    """The only form of answer there is."""

    type: Literal["text"]


class ChatRequest(DrawRequest):
    """POST /v1/chat/completions."""

    messages: list[ChatMessage] = Field(min_length=1, max_length=_MAX_MESSAGES)
    max_completion_tokens: Count | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20), WHOLE] | None = None
    response_format: TextFormat | None = None
    tools: Annotated[list[None], Field(max_length=0)] | None = None
    """These models use no tools."""
    functions: Annotated[list[None], Field(max_length=0)] | None = None
    audio: None = None


class CompletionRequest(DrawRequest):
    """POST /v1/completions."""

    prompt: Text | Annotated[list[Text], Field(min_length=1, max_length=8)]
    """Text. Token numbers are refused: they could be those of special tokens."""
    logprobs: Annotated[int, Field(ge=0, le=5), WHOLE] | None = None
    echo: bool | None = None
    suffix: None = None
    best_of: Literal[1] | None = None


# --- answered ---------------------------------------------------------------------------------------------------------


class Usage(BaseModel):
    """Tokens read and written."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class TopToken(BaseModel):
    """A token that might have come."""

    token: str
    logprob: float
    bytes: list[int]


class TokenLogprob(TopToken):
    """A token that came, and others that might have."""

    top_logprobs: list[TopToken]


class ChatLogprobs(BaseModel):
    """The tokens of a reply."""

    content: list[TokenLogprob]
    refusal: None = None


class CitedExcerpt(BaseModel):
    """A real turn of the host that the model was given before the question. Beyond the OpenAI API."""

    pair_id: str
    """As in the show's `pairs.parquet`, and in the log."""
    episode: str
    """The episode's name in the show's folder."""
    published: str | None
    """The day it came out, YYYY-MM-DD; null: not known."""
    turn: int
    """Place of the turn in the episode."""
    speaker: str
    cue: str
    """What was said to the host, as the model was given it."""
    text: str
    """What the host really said, as the model was given it."""


class ChatReply(BaseModel):
    """What the model said."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class ChatChoice(BaseModel):
    """One of n replies."""

    index: int
    message: ChatReply
    finish_reason: FinishReason
    logprobs: ChatLogprobs | None = None
    excerpts: list[CitedExcerpt] | None = None
    """Real turns the model was given, the nearest last; null: this model is asked without any."""


class ChatCompletion(BaseModel):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    system_fingerprint: str
    """The label, and the hash of model and prompt form."""
    choices: list[ChatChoice]
    usage: Usage


class ChatChunkChoice(BaseModel):
    """A piece of one of n replies."""

    index: int
    delta: dict[str, str]
    finish_reason: FinishReason | None = None
    logprobs: ChatLogprobs | None = None
    excerpts: list[CitedExcerpt] | None = None
    """As in a whole answer; with the last piece, the one that has the `finish_reason`."""


class ChatChunk(BaseModel):
    """A piece of an answer."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChatChunkChoice]
    usage: Usage | None = None


class CompletionLogprobs(BaseModel):
    """The tokens of a completion."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]
    """Where each token begins, in characters of what is sent with it."""


class CompletionChoice(BaseModel):
    """One of n completions, or a piece of one."""

    index: int
    text: str
    finish_reason: FinishReason | None
    logprobs: CompletionLogprobs | None = None
    excerpts: list[CitedExcerpt] | None = None
    """As in a chat; of a stream, with the last piece."""


class Completion(BaseModel):
    """A completion, or a piece of one."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    system_fingerprint: str
    choices: list[CompletionChoice]
    usage: Usage | None = None


class ModelObject(BaseModel):
    """A model that can be asked."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["econchatr"] = "econchatr"
    description: str
    """Whom it imitates, which weights, trained or not."""


class ModelList(BaseModel):
    """Every model that can be asked."""

    object: Literal["list"] = "list"
    data: list[ModelObject]


class Health(BaseModel):
    """Whether the models answer."""

    status: Literal["ok", "failing"]


class ErrorDetail(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorBody(BaseModel):
    """An error, in the OpenAI API's shape."""

    error: ErrorDetail
