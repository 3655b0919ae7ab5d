"""What the libraries behind fsspec raise, in one sentence that says what to do."""

import errno

from wdsr_tf.errors import InputError, line

TRANSIENT = (  # classes of botocore, aiohttp, azure-core and fsspec, by name: only one of them is installed
    *("HTTPClientError", "ConnectionError", "ClientConnectionError", "ClientPayloadError", "IncompleteRead"),
    *("FSTimeoutError", "TimeoutError", "ServiceRequestError", "ServiceResponseError", "ResponseParserError"),
)
BUSY = {errno.EBUSY, getattr(errno, "EREMOTEIO", errno.EIO), errno.ETIMEDOUT}  # as s3fs reports 500 and 503
CREDENTIALS = ("Credential", "TokenRetrieval", "SSOToken", "ClientAuthentication", "ProfileNotFound", "RefreshError")
HELP = {
    "s3": "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; for a public bucket, FSSPEC_S3_ANON=true",
    "gs": "Run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS",
    "az": "Set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or AZURE_STORAGE_CONNECTION_STRING",
}


class StorageError(InputError):
    """A store can't be read or written. `is_fatal`: whatever else is read or written would fail, too."""

    def __init__(self, message: str, is_fatal: bool = False):
        super().__init__(message)
        self.is_fatal = is_fatal


def is_transient(error: BaseException) -> bool:
    """Whether trying again may help: the connection broke, or the server was too busy."""
    if isinstance(error, OSError) and error.errno in BUSY:
        return True
    return any(kind.__name__ in TRANSIENT for kind in type(error).__mro__)


def is_missing_bucket(error: BaseException) -> bool:
    """Whether it's the bucket (Azure: container) that isn't there, rather than an object."""
    if not isinstance(error, FileNotFoundError):
        return False
    text = f"{type(error.__cause__).__name__} {error}".lower()
    return "bucket does not exist" in text or "nosuchbucket" in text or "container" in text


def explained(error: Exception, url: str, doing: str) -> InputError:
    """Returns what to raise for `error`.

    Args:
        error: what a library raised.
        url: of the object or folder.
        doing: "read", "list" or "write".
    """
    kinds = [kind.__name__ for kind in type(error).__mro__]
    if any(word in kind for kind in kinds for word in CREDENTIALS) or _is_adlfs_without_account(error):
        how = HELP.get(url.partition("://")[0], "Set them in the environment")
        return StorageError(f"{url}: no valid credentials ({line(error).rstrip('.')}). {how}.", is_fatal=True)
    if is_missing_bucket(error):
        return StorageError(f"{url}: there is no such bucket. Check the name, or create the bucket.", is_fatal=True)
    if isinstance(error, FileNotFoundError):
        return StorageError(f"{url}: there is no such object.")
    if isinstance(error, PermissionError) or getattr(error, "code", None) in (401, 403):
        return StorageError(
            f"{url}: access denied ({line(error).rstrip('.')}). These credentials may not {doing} it.",
            is_fatal=doing != "read",
        )
    if is_transient(error):
        return StorageError(
            f"{url}: can't connect ({line(error).rstrip('.')}). Check the network and the endpoint.", is_fatal=True
        )
    return StorageError(f"{url}: can't {doing} it: {line(error)}")


def _is_adlfs_without_account(error):
    return isinstance(error, ValueError) and "account_name" in str(error)
