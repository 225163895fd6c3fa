"""What a program that imports dbsl_tf uses: see `dbsl_tf.Trainer`."""
