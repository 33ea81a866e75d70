-- AlterTable
ALTER TABLE "control"."memberships" ADD COLUMN     "version" INTEGER NOT NULL DEFAULT 1;

-- From here on by hand: what the models cannot say.
-- What If-Match compares when somebody is given another role.
ALTER TABLE "control"."memberships" ADD CHECK (version > 0);
GRANT UPDATE (version) ON "control"."memberships" TO control_app;
