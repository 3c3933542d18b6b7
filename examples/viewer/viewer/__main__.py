"""`python -m viewer`: serve the page; the settings are environment variables."""

import os
import sys

from viewer import settings


def main() -> int:
    """Run the viewer; 0 after a clean stop, 2 when a setting is wrong."""
    try:
        chosen = settings.read(os.environ)
    except settings.SettingsError as error:
        sys.stderr.write(f"viewer: these settings are wrong\n{error}\n")
        return 2
    from viewer import log, server  # here, as Azure's SDK in it takes half a second

    log.set_up()
    server.run(chosen)
    return 0


if __name__ == "__main__":
    sys.exit(main())
