"""The example that the language page opens with: every construct of the language once."""

LANGUAGE = """\
netc 1                                    # language version; the first statement when present

param classes: int = 1000                 # a file-level setting; CLI: --set classes=10

## LeNet-5 (LeCun et al., 1998), the 28x28 variant.      (## is a doc comment: reports show it)
net LeNet5 {
  input image: [N, 1, 28, 28]
  features = image
    -> c1: conv(6, 5, pad=2) -> tanh -> avgpool(2)
    -> c3: conv(16, 5)       -> tanh -> avgpool(2)
  logits = features -> flatten
    -> dense(120) -> tanh
    -> dense(84)  -> tanh
    -> dense(10)
  output logits
  expect params == 61_706
}

block Basic(c: int, stride: int = 1): x -> y {
  main = x -> conv(c, 3, stride=stride, pad=half, bias=false) -> bn -> relu
           -> conv(c, 3, pad=half, bias=false) -> bn
  skip = x -> if stride != 1 or x.C != c { conv(c, 1, stride=stride, bias=false) -> bn }
  y = main + skip -> relu                 # an if without else is the identity
}

net ResNet34 {
  input x: [N, 3, H, W] where H % 32 == 0, W % 32 == 0
  c1 = x -> conv(64, 7, stride=2, pad=half, bias=false) -> bn -> relu -> maxpool(3, stride=2, pad=1)
  c5 = c1 -> for (c, s, n) in [(64,1,3), (128,2,4), (256,2,6), (512,2,3)] {
    Basic(c, stride=s) -> Basic(c) * (n - 1)              # * n: n copies, each with weights of its own
  }
  logits = c5 -> gap -> flatten -> dense(classes)
  output logits, c5
  expect params == 21_797_672
  expect rf(c5) == 899
}

block Inception(b1, r3, b3, r5, b5, bp: int): x -> y {
  p1 = x -> conv(b1, 1) -> relu
  p3 = x -> conv(r3, 1) -> relu -> conv(b3, 3, pad=half) -> relu
  p5 = x -> conv(r5, 1) -> relu -> conv(b5, 5, pad=half) -> relu
  pp = x -> maxpool(3, stride=1, pad=half) -> conv(bp, 1) -> relu
  y = [p1, p3, p5, pp] -> concat(axis=C)
}

block SE(r: int = 16): x -> y {
  gate = x -> gap -> conv(x.C / r, 1) -> relu -> conv(x.C, 1) -> sigmoid
  y = x * gate                            # [N,C,H,W] * [N,C,1,1]
}

net Siamese {
  input a: [N, 1, 28, 28]
  input b: [N, 1, 28, 28]
  shared enc = Embed(64)                  # one set of weights, used twice
  za = a -> enc
  zb = b -> enc
  output za, zb
}

train LeNet5 {
  data mnist                            # digits | mnist | cifar10 | folder("dir") | npz("file") | csv("file")
  target label: int[N]
  loss main = [logits, label] -> softmax_xent          # several losses: weighted, then summed
  metric      [logits, label] -> accuracy, top(5)
  init he                                 # net-wide default; a layer's own init= wins
  optimizer sgd(lr=0.05, momentum=0.9, nesterov=true, weight_decay=5e-4)
  schedule  plateau(factor=0.1, patience=3)
  augment   shift(2) -> rotate(10)
  batch 64
  epochs 20
  stop early(patience=5)
  seed 1
}
"""
