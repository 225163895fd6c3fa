"""Data sets: bringing them to disk, and the input pipeline of a worker.

There are two kinds: record files (`record_files`, `record_source`) and folders of image files
(`image_folder`, `image_source`); `dbsl_tf.config.catalogue` tells which can be named. What
describes and prepares them never imports TensorFlow; `pipeline` and what it is made of do.
"""
