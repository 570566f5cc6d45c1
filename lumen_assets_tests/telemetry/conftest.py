from lumen_assets_tests.replication.seaweedfs import seaweedfs

__all__ = ["seaweedfs"]
