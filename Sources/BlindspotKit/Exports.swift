// One import is enough for those who attack networks: what the modules below make is named here too.
@_exported public import Attacks
@_exported public import Compute
@_exported public import Datasets
@_exported public import ModelFiles
@_exported public import Networks
