"""The bucket, and who may do what to it: word for word, since this is what keeps manifests and ledgers from visitors."""

from __future__ import annotations

from tests.cdk.templates import Template, text

BUCKET, DISTRIBUTION = "SiteStorageBucket5BDB9672", "SiteDeliveryDistributionB790E957"
TLS_ONLY = [
    {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "s3:*",
        "Resource": [f"${{{BUCKET}.Arn}}", f"${{{BUCKET}.Arn}}/*"],
        "Condition": condition,
    }
    for condition in ({"Bool": {"aws:SecureTransport": "false"}}, {"NumericLessThan": {"s3:TlsVersion": 1.2}})
]


def test_the_policy_of_the_bucket_lets_one_distribution_read_blobs(plain: Template) -> None:
    policy = text(plain.properties("AWS::S3::BucketPolicy", "SiteStorage"))
    assert policy["Bucket"] == f"${{{BUCKET}}}"
    statements = policy["PolicyDocument"]["Statement"]
    # The workflow's own roles are the matter of test_roles.py.
    assert [
        it for it in statements if not str(it.get("Principal", {}).get("AWS", "")).startswith(("${Release", "['${Release"))
    ] == [
        *TLS_ONLY,
        {
            "Sid": "EdgeReadsBlobs",
            "Effect": "Allow",
            "Principal": {"Service": "cloudfront.amazonaws.com"},
            "Action": "s3:GetObject",
            "Resource": f"${{{BUCKET}.Arn}}/*/blobs/*",
            "Condition": {
                "StringEquals": {
                    "aws:SourceArn": f"arn:${{AWS::Partition}}:cloudfront::${{AWS::AccountId}}:distribution/${{{DISTRIBUTION}}}"
                }
            },
        },
    ]


def test_the_bucket_is_private_and_encrypted(plain: Template) -> None:
    bucket = plain.properties("AWS::S3::Bucket", "SiteStorage")
    blocked = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    assert bucket["PublicAccessBlockConfiguration"] == dict.fromkeys(blocked, True)
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    assert "WebsiteConfiguration" not in bucket and "BucketName" not in bucket


def test_what_an_upload_left_behind_goes_but_no_object_does(plain: Template) -> None:
    rules = {it.get("Id"): it for it in plain.properties("AWS::S3::Bucket", "SiteStorage")["LifecycleConfiguration"]["Rules"]}
    assert rules["abandoned-uploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    passing = {it["Prefix"]: it["ExpirationInDays"] for it in rules.values() if "ExpirationInDays" in it}
    assert passing == {"plain/uploads/": 7}, "all else goes by upkeep, which knows what is needed"
    assert not [key for rule in rules.values() for key in rule if "Transition" in key or "Noncurrent" in key]
