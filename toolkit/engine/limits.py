"""Limits of CloudFront's KeyValueStore and of S3 object metadata, enforced on every target alike.

Sources: "Quotas on CloudFront" and "Quotas on key value stores" (CloudFront developer guide), "Working with object metadata"
(S3 user guide).
"""

KEY_BYTES = 512
VALUE_BYTES = 1024
STORE_BYTES = 5 * 1024 * 1024
BATCH_KEYS = 50
BATCH_BYTES = 3 * 1024 * 1024
METADATA_BYTES = 2048
FUNCTION_BYTES = 10 * 1024
FUNCTION_MEMORY = 2 * 1024 * 1024
# A request's URI and query string together stay below this.
URI_BYTES = 8192
