from pathlib import Path

import affectscope as afs

afs.huggingface("speech", Path(__file__).parent / "wav2vec2", modality="audio")
