"""One target read and written through a channel, with a failure raised instead of returned."""

from collections.abc import Callable

from rotator.azure.host_storage.lease import NoLease
from rotator.delivery.interface import Delivery, Write
from rotator.delivery.live_secret import LiveSecret
from rotator.delivery.manifest import DesiredSecret
from rotator.delivery.ssh.channel import SshChannel
from rotator.delivery.ssh.shell import Shell
from rotator.plan.plan import Target

NO_LEASE = NoLease()


def read(shell: Shell, target: Target) -> LiveSecret | None:
    """What the target holds, over a shell on its master."""
    (found,) = SshChannel(shell).read([target])
    if isinstance(found, Exception):
        raise found
    return found


def write(
    shell: Shell,
    target: Target,
    held: LiveSecret | None,
    desired: DesiredSecret,
    fence: Callable[[], None] = NO_LEASE.fence,
) -> Delivery:
    """Write to the target over a shell on its master."""
    (done,) = SshChannel(shell).write([Write(target, held, desired)], fence)
    if isinstance(done, Exception):
        raise done
    return done
