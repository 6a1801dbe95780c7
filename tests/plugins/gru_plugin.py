from pathlib import Path

from gru_net import GruWithAttention

import affectscope as afs

afs.arrays("my-faces", Path(__file__).parent / "arrays", modality="visual")


@afs.model("gru", labels=["anger", "fear", "happiness", "sadness"], inputs={"visual": "my-faces"}, weights="gru.pt")
def gru(path):
    net = GruWithAttention()
    net.load_state_dict(afs.read_weights(path))
    return net


@gru.forward
def answer(net, batch):
    logits, weights, context = net(batch.visual)
    return {"visual": logits, "pooling": weights, "context": context}


gru.attention("pooling", query="visual", key="visual")
gru.embedding("context")
