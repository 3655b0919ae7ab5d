"""Object stores and web servers in the place of folders: what is upscaled is staged on the local disk, and published.

Local paths don't come here. The command hands over when one side is a URL; see `wdsr_tf.commands.remote`.
"""
