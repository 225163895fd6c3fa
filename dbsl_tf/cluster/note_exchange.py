"""Notes between a server that is asked to end and the coordinator: the coordinator's side."""

from __future__ import annotations

from functools import cache
from typing import Any

import grpc
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

# Not imported where they are used, which is in threads: while another thread loads keras-cv, which
# defers imports for the whole process, these would be deferred too, and classes be modules.
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.framework.tensor_shape_pb2 import TensorShapeProto
from tensorflow.core.framework.types_pb2 import DT_STRING
from tensorflow.core.framework.versions_pb2 import VersionDef
from tensorflow.core.protobuf.config_pb2 import ConfigProto
from tensorflow.core.protobuf.named_tensor_pb2 import NamedTensorProto

from dbsl_tf.cluster.notes import ORDER, STATE

# A server that starts again is to be found soon.
_CHANNEL = (("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000))
# The fields needed here of the messages in TensorFlow's master.proto, which its package leaves out;
# messages in messages as bytes, which is how they are sent.
_MESSAGES = {
    "CreateSessionRequest": {"graph_def": 1, "config": 2},
    "CreateSessionResponse": {"session_handle": 1},
    "RunStepRequest": {"session_handle": 1, "feed": 2, "fetch": 3, "target": 4},
    "RunStepResponse": {"tensor": 1},
}
_REPEATED = ("feed", "fetch", "target", "tensor")


class ServerGone(Exception):
    """Nothing serves at the address, or it is another process than last time."""


class NoAnswer(Exception):
    """The server does not answer in time, or not as it should."""


class NoteExchange:
    """Exchanges notes with one server, over its own port.

    It is a client of the server, of two operations in a session of their own: so it neither waits
    for what the server computes, nor holds this process up when the server hangs, as a TensorFlow
    operation of this process that is placed on the server would.

    Args:
        address: `host:port` of the server.
        role: of the server.
        index: within the role.
        timeout: seconds that the server may take to answer.
    """

    def __init__(self, address: str, role: str, index: int, timeout: float) -> None:
        self._device = f"/job:{role}/task:{index}"
        self._timeout = timeout
        self._channel = grpc.insecure_channel(address, options=_CHANNEL)
        self._session: bytes | None = None

    def exchange(self, order: bytes) -> bytes | None:
        """Leaves an order for the server; returns the server's own note, None if it leaves none.

        Raises:
            ServerGone: see there.
            NoAnswer: see there.
        """
        try:
            if self._session is None:
                self._session = self._new_session()
            return self._run(self._session, order)
        except grpc.RpcError as error:
            code = error.code()
            if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED):
                self._session = None
                raise ServerGone(code.name) from error
            if code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.PERMISSION_DENIED):
                # There are no such files.
                return None
            raise NoAnswer(code.name) from error

    def _new_session(self) -> bytes:
        # Otherwise it would wait for all other servers.
        config = ConfigProto(device_filters=[self._device])
        response = self._call(
            "CreateSession",
            graph_def=_graph().SerializeToString(),
            config=config.SerializeToString(),
        )
        return response.session_handle

    def _run(self, session: bytes, order: bytes) -> bytes:
        # Fed, as the result of an operation on constants would be kept.
        paths = {"state_path": STATE.encode(), "order_path": ORDER.encode()}
        fed = [
            NamedTensorProto(name=f"{name}:0", tensor=_string(value)).SerializeToString()
            for name, value in {**paths, "order": order}.items()
        ]
        response = self._call(
            "RunStep", session_handle=session, feed=fed, fetch=[b"state:0"], target=[b"write"]
        )
        content = NamedTensorProto.FromString(response.tensor[0]).tensor.tensor_content
        # Its length comes first.
        return content[1:]

    def _call(self, method: str, **fields: Any) -> Any:
        request, response = _message(f"{method}Request"), _message(f"{method}Response")
        call = self._channel.unary_unary(
            f"/tensorflow.MasterService/{method}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        return call(request(**fields), timeout=self._timeout)


@cache
def _message(name: str) -> Any:
    kinds = FieldDescriptorProto
    file = FileDescriptorProto(name=f"{name}.proto", package="dbsl_tf", syntax="proto3")
    message = file.message_type.add(name=name)
    for field, number in _MESSAGES[name].items():
        label = kinds.LABEL_REPEATED if field in _REPEATED else kinds.LABEL_OPTIONAL
        message.field.add(name=field, number=number, label=label, type=kinds.TYPE_BYTES)
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName(f"dbsl_tf.{name}"))


def _graph() -> Any:
    """Returns the two operations as a GraphDef."""
    graph = GraphDef(versions=VersionDef(producer=2000))
    for name in ("state_path", "order_path", "order"):
        graph.node.add(name=name, op="Placeholder").attr["dtype"].type = DT_STRING
    graph.node.add(name="state", op="ReadFile", input=["state_path"])
    graph.node.add(name="write", op="WriteFile", input=["order_path", "order"])
    return graph


def _string(value: bytes) -> Any:
    return TensorProto(dtype=DT_STRING, tensor_shape=TensorShapeProto(), string_val=[value])
