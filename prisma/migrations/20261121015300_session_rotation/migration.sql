-- A session gets another token by one UPDATE of its row. Deleting the row and making another lost a revocation that came between:
-- it found neither the old row nor, yet, the new one.
GRANT UPDATE (token_hash) ON "control"."sessions" TO control_app;
