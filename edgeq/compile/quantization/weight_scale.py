"""How small the scale of a layer's weights may be: as small as its bias can bear.

XNNPACK's quantizer takes no scale under 2^-12, so that weights within 0.03 do not fill the codes; those of a
first layer that takes 0 to 255 lie there. What forbids a smaller scale is the bias: where the input has a
static scale, it is stored in 32 bits as a multiple of that scale times that of the weights, together with the
products. Where the scale of the input is dynamic, the bias stays in floating point and forbids nothing.
"""

from torch._ops import OpOverload
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e import MinMaxObserver, PerChannelMinMaxObserver

from edgeq.compile.quantization.layers import constant_of
from edgeq.compile.quantization.observers import EPSILON

# Where no bias forbids it: what is above nothing, for channels of zeros.
FINEST = 2.0**-24

# What a bias may take of the 32 bits: half of them are left to the products.
_LARGEST = 2.0**30

# A bias that is corrected later may be larger than it is now, or not be there yet.
_LEAST_BIAS = 1.0


def weight_observer(model: GraphModule, weight: Node, *, per_channel: bool, dynamic: bool) -> object:
    """A factory of observers for `weight`, which have the extremes as their range.

    `dynamic` is whether the layers that use it take inputs of dynamic scales.
    """
    observer = PerChannelMinMaxObserver if per_channel else MinMaxObserver
    return observer.with_args(eps=FINEST if dynamic else least_scale(model, weight))


def least_scale(model: GraphModule, weight: Node) -> float:
    """The least scale of `weight`, so that the bias of every layer that uses it can be stored.

    The input's scale is not known yet: it is taken to be the least that there is.
    """
    largest = max(_largest_bias(model, user) for user in weight.users)
    return min(EPSILON, max(_LEAST_BIAS, largest) / (EPSILON * _LARGEST))


def _largest_bias(model: GraphModule, user: Node) -> float:
    """Of a layer; what else uses its weight has no bias."""
    if not isinstance(user.target, OpOverload):
        return 0.0
    names = [argument.name for argument in user.target._schema.arguments]
    given = dict(zip(names, user.args, strict=False)) | user.kwargs
    bias = given.get("bias")
    if bias is None:
        return 0.0
    if not isinstance(bias, Node) or bias.op != "get_attr":
        return float("inf")
    return float(constant_of(model, bias).abs().max())
