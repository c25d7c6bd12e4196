"""The one stream of five series that everything subscribes to."""

from core.stream.messages import DataType, Message, Policy
from core.stream.parallel_distributor import ParallelDataDistributor
from core.stream.shared_data_buffer import SharedDataBuffer
from core.stream.subscription import Subscription
from core.stream.unified_data_stream import UnifiedDataStream
from core.stream.universal_data_adapter import UniversalDataAdapter

__all__ = [
    "DataType",
    "Message",
    "ParallelDataDistributor",
    "Policy",
    "SharedDataBuffer",
    "Subscription",
    "UnifiedDataStream",
    "UniversalDataAdapter",
]
