"""Making many missing days, in worker processes that stay alive over them.

``choosing`` says which days, ``handing_out`` who gets which next, ``processes`` keeps the workers, ``worker`` is one of
them, and ``running`` puts all together.
"""
