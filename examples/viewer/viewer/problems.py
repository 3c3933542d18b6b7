"""Why a picture cannot be shown, in words for a page; none of them holds a URL, a token or an answer's body."""

ACCEPTED = "accepted by storage"


class NotShownError(Exception):
    """`status` is the viewer's answer, `state` what is known of the SAS, `title` and `advice` are for the reader."""

    status: int
    state: str
    title: str
    advice: str

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NoCredentialError(NotShownError):
    """There is no SAS to work with."""

    status = 503
    state = "none"
    title = "No credential yet"
    advice = "The page shows the picture as soon as the rotator has delivered a SAS and the kubelet has mounted it."


class ExpiredError(NotShownError):
    """The SAS that is held is over."""

    status = 503
    state = "expired"
    title = "The SAS has expired"
    advice = (
        "Look at the rotator's report: did its last run fail? The kubelet mounts a new SAS within about 90 seconds."
    )


class RefusedError(NotShownError):
    """Storage refuses the SAS."""

    status = 403
    state = "refused by storage"
    title = "Storage refuses the SAS"
    advice = "Its key may have been regenerated, a firewall may be in between, or it does not grant reading."


class PictureMissingError(NotShownError):
    """No such picture."""

    status = 404
    state = ACCEPTED
    title = "There is no such picture"
    advice = "Check CONTAINER and PICTURE."


class UnreachableError(NotShownError):
    """Storage does not answer, or not sensibly."""

    status = 502
    state = "held, but not tried"
    title = "Storage cannot be reached"
    advice = "Check STORAGE_BLOB_ENDPOINT, the pod's network policy, and the trusted certificates."
