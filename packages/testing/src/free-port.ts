export { findFreePort as freePort } from '@tensorloop/servers/ports';
