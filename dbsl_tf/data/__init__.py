"""Data sets: preparing them on disk, and the input pipeline of a worker.

There are two kinds: record files (`record_files`, `record_source`) and folders of image files
(`image_folder`, `image_source`); `dbsl_tf.config.catalogue` lists their names. The modules that
describe and prepare them never import TensorFlow; `pipeline` and the modules it uses do.
"""
