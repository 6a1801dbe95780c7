from emotions import EmotionNet

import affectscope as afs


@afs.model(
    "my-net",
    labels=["anger", "happiness", "neutral", "sadness"],
    inputs={"audio": "log-mel-64", "visual": "faces-96-rgb"},
    weights="emotions.pt",
)
def my_net(state):
    net = EmotionNet()
    net.load_state_dict(state)
    return net


my_net.attention("looks", query="audio", key="visual", module="fusion")
my_net.look_at("visual", layer="eyes.3")
my_net.embedding("fused", module="head.0")
