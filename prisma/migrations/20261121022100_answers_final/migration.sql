-- AlterTable
ALTER TABLE "control"."idempotent_requests" ADD COLUMN     "is_final" BOOLEAN NOT NULL DEFAULT true;

-- From here on by hand: what the models cannot say.
-- A mint is undone when no gateway can be told of its key. Whoever repeats the request meanwhile must not be told of a key that
-- is about to go: the answer is final or withdrawn, and this row decides which.
GRANT UPDATE (is_final) ON "control"."idempotent_requests" TO control_app;
