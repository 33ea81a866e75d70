-- A key that is used under the pepper before is hashed again with the one now: its text was shown once and is not stored.
GRANT UPDATE (key_hash, hash_version) ON "control"."keys" TO control_app;
