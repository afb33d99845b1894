"""Wan et al.'s Table 2: the row of relu networks on MNIST, without augmentation, and divided.

    python -m benchmarks.dropconnect_mnist --data FOLDER                   1,020 epochs: days
    python -m benchmarks.dropconnect_mnist --data FOLDER --epochs 100      what RESULTS.md reports

One network after the other, on one core. What is kept below ``--keep`` lets an interrupted run go
on; the section is written anew after each network, from those that are done.
"""
