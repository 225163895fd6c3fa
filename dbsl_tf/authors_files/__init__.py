"""The result files of the method's authors: histories written in their layout, and read from it.

There are two layouts. Each file is what `numpy.save` makes of one dictionary; their notebooks
read it with `numpy.load(FILE, allow_pickle=True).item()`.

*Of arXiv 2509.26092*: lists with one entry for each commit, in the order of the records:

| key | holds |
|---|---|
| worker_ID | rank of the worker: 1 to n, the small-batch workers first |
| global_commit_ID | commits merged before this one: 0 to n · epochs - 1 |
| local_commit_ID | commits of this worker before this one |
| step_ID, stage_ID | number of the learning-rate step and of the sub-stage; not always there |
| train_loss, train_acc | mean cross-entropy and share correct (0 to 1) of the mini-epoch |
| train_time | seconds of its training steps |
| val_loss, val_acc | the same of the global weights after this commit on the whole test set |
| commit_time | seconds from the start of the server to the end of that validation |

The name of a file is `[conf_]DATASET_resnetDEPTH_eEPOCHS_tRATIO_wWORLDsSMALL[_amp][_xla].npy`:
RATIO is 100 · k, WORLD counts the server too, and `conf_` marks runs without the hybrid.

*Of COMPSAC 2022*: arrays push_time (Unix time in seconds), train_loss, train_acc, test_loss and
test_acc, [n + 1, mini-epochs], whose row 0 is the server's and whose unused places are 0, beside
start_time and world_size. The name of a file is `tf[N]_extraK_SMALLs_SMALLBATCH_LARGEBATCH.npy`.

A history, as `columns_of_events` makes it, has the keys of the first without step_ID and stage_ID.
"""
