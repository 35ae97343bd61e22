/** The mesh's word for a node that cannot be reached; the only way out of a node without links. */
export const NO_ROUTE = 'no route to node';
