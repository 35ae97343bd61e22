export { MESH_ERROR_CODES, MeshError, type MeshErrorCode } from './errors.js';
