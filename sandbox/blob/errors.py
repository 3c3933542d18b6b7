"""The blob service's error answers, with the codes and the wording of the real service.

https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
"""

_MISMATCH = "This request is not authorized to perform this operation using this {}."
MESSAGES = {
    "AuthenticationFailed": "Server failed to authenticate the request. Make sure the "
    "value of Authorization header is formed correctly including the signature.",
    "AuthorizationFailure": "This request is not authorized to perform this operation.",
    "KeyBasedAuthenticationNotPermitted": "Key based authentication is not permitted on this storage account.",
    "AuthorizationPermissionMismatch": _MISMATCH.format("permission"),
    "AuthorizationResourceTypeMismatch": _MISMATCH.format("resource type"),
    "AuthorizationServiceMismatch": _MISMATCH.format("service"),
    "AuthorizationProtocolMismatch": _MISMATCH.format("protocol"),
    "AuthorizationSourceIPMismatch": _MISMATCH.format("source IP"),
    "NoAuthenticationInformation": "Server failed to authenticate the request. Please "
    "refer to the information in the www-authenticate header.",
    "InvalidAuthenticationInfo": "Server failed to authenticate the request. Please "
    "refer to the information in the www-authenticate header.",
    "InvalidXmlDocument": "XML specified is not syntactically valid.",
    "InvalidXmlNodeValue": "The value for one of the XML nodes is not in the correct format.",
    "ResourceNotFound": "The specified resource does not exist.",
    "ContainerNotFound": "The specified container does not exist.",
    "ContainerAlreadyExists": "The specified container already exists.",
    "BlobNotFound": "The specified blob does not exist.",
    "BlobAlreadyExists": "The specified blob already exists.",
    "InvalidRange": "The range specified is invalid for the current size of the resource.",
    "InvalidHeaderValue": "The value for one of the HTTP headers is not in the correct format.",
    "MissingRequiredHeader": "An HTTP header that's mandatory for this request is not specified.",
    "InvalidMetadata": "The metadata specified is invalid. It has characters that are not permitted.",
    "ConditionNotMet": "The condition specified using HTTP conditional header(s) is not met.",
    "LeaseAlreadyPresent": "There is already a lease present.",
    "LeaseIdMissing": "There is currently a lease on the blob and no lease ID was specified in the request.",
    "LeaseIdMismatchWithBlobOperation": "The lease ID specified did not match the lease ID for the blob.",
    "LeaseIdMismatchWithLeaseOperation": "The lease ID specified did not match the lease ID for the blob.",
    "LeaseIsBreakingAndCannotBeAcquired": "The lease ID matched, but the lease is currently in breaking state "
    "and cannot be acquired until it is broken.",
    "LeaseIsBreakingAndCannotBeChanged": "The lease ID matched, but the lease is currently in breaking state "
    "and cannot be changed.",
    "LeaseIsBrokenAndCannotBeRenewed": "The lease ID matched, but the lease has been broken explicitly "
    "and cannot be renewed.",
    "LeaseLost": "A lease ID was specified, but the lease for the blob has expired.",
    "LeaseNotPresentWithBlobOperation": "There is currently no lease on the blob.",
    "LeaseNotPresentWithLeaseOperation": "There is currently no lease on the blob.",
    "UnsupportedHttpVerb": "The resource doesn't support the specified HTTP verb.",
}


class BlobError(Exception):
    """An error answer; `details` are the elements that the real service puts beside code and message."""

    def __init__(self, status: int, code: str, detail: str = "", **details: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.details = ({"AuthenticationErrorDetail": detail} if detail else {}) | details

    @property
    def message(self) -> str:
        """The sentence that goes with the code."""
        return MESSAGES.get(self.code, "The sandbox was told to answer this.")


def unauthentic(detail: str) -> BlobError:
    """403: the request's SAS or token is not valid here; `detail` says why."""
    return BlobError(403, "AuthenticationFailed", detail)
