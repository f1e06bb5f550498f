"""How fast a compiled net is, beside PyTorch and ONNX Runtime: `python -m benchmarks.speed`.

The parent process (`__main__`, `cells`, `turns`) runs no net: it starts one process for each peer (`worker`), gives
them turns, and watches how much of the machine `others` use.  `cases` lists the nets; `netc_peer`, `torch_peer` and
`onnx_peer` make a step of each; `layers` tells where netc's goes; `roofline` asks the machine how fast it could
be; `table` and `compare` say what came out.
"""
