from cnn_net import CrossNet

import affectscope as afs

LABELS = ["anger", "disgust", "fear", "happiness", "neutral", "sadness"]


@afs.model("cross-net", labels=LABELS, inputs={"audio": "log-mel-64", "visual": "faces-96-rgb"}, weights="cnn.pt")
def cross_net(state):
    net = CrossNet()
    net.load_state_dict(state)
    return net


cross_net.attention("cross", query="audio", key="visual", module="attn")
cross_net.look_at("visual", layer="cnn.layer2")
cross_net.embedding("hidden", module="head.0")
