/* What the event stream tells of a matrix. */
#include "data/matrix_job.h"
#include "engine/phase.h"

qn_status qn_matrix_emit_storage(qn_context *ctx, const qn_matrix *matrix)
{
    qn_places places = {0};
    qn_status st = QN_OK;

    QN_TRY(qn_places_init(ctx, matrix->n_partitions, &places));
    for (int64_t c = 0; c < matrix->n_own_cells; c++) {
        const qn_matrix_cell *cell = &matrix->cell[c];
        const int64_t partition = qn_matrix_partition(matrix, c);

        places.rows[partition] += cell->n_rows;
        for (int32_t b = 0; b < cell->n_blocks; b++)
            qn_places_add_block(&places, partition, matrix->store,
                                matrix->block[cell->first_block + b]);
    }
    qn_places_emit(ctx, &places, "matrix");
done:
    qn_places_release(&places);
    return st;
}
