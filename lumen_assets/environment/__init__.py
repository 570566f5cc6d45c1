"""The environment's variables: the only readers of it are here and in the settings.

Each, see ``ENVIRONMENT``, also works as ``NAME_FILE`` with the path of a file that holds the value, as container
secrets are mounted, and each secret as ``NAME_AWS`` with where AWS keeps it. Apart from the settings, which take longer
to load, for commands that need one secret and nothing else.
"""

from lumen_assets.environment.variables import ENVIRONMENT, FOREIGN_SECRETS, SECRETS, read_secret, require_secret

__all__ = ["ENVIRONMENT", "FOREIGN_SECRETS", "SECRETS", "read_secret", "require_secret"]
