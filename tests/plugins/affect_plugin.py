from affect_net import AffectNet

import affectscope as afs


@afs.model(
    "affect-net", labels=["arousal", "valence"], inputs={"audio": "llds", "visual": "face-maps"}, task="regression",
    reference="visual", absence="forward-fill", weights="affect.pt",
)  # fmt: skip
def affect_net(path):
    net = AffectNet()
    net.load_state_dict(afs.read_weights(path))
    return net


affect_net.attention("self", query="visual", key="visual", module="blocks.*")
affect_net.embedding("state", module="arousal", of="input")
