#include "cli/show.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BAR_COLUMNS 40

qn_shown qn_show_count(int64_t count)
{
    qn_shown shown;

    qn_format_count(count, shown.text);
    return shown;
}

qn_shown qn_show_number(double value, int32_t digits)
{
    qn_shown shown;

    if (isnan(value))
        snprintf(shown.text, sizeof shown.text, "-");
    else
        snprintf(shown.text, sizeof shown.text, "%.*f", (int)digits, value);
    return shown;
}

qn_shown qn_show_seconds(double seconds)
{
    qn_shown shown;

    qn_format_seconds(seconds, shown.text);
    return shown;
}

qn_shown qn_show_bytes(double bytes)
{
    qn_shown shown;

    qn_format_bytes(bytes, shown.text);
    return shown;
}

qn_shown qn_show_share(int64_t part, int64_t whole)
{
    qn_shown shown;

    snprintf(shown.text, sizeof shown.text, "%.4g %%",
             whole > 0 ? 100.0 * (double)part / (double)whole : 0.0);
    return shown;
}

void qn_show_word(FILE *stream, const char *word)
{
    qn_string text = {0};

    qn_string_add_word(&text, word);
    fputs(qn_string_text(&text), stream);
    qn_string_release(&text);
}

/* A line of text from the data, made harmless. */
static void show_text(const qn_terminal *out, const char *text)
{
    qn_string line = {0};

    qn_string_add_escaped(&line, text);
    fputs(qn_string_text(&line), out->stream);
    qn_string_release(&line);
}

static void show_rows_read(const qn_terminal *out, int64_t rows, int64_t bad,
                           const qn_rejects *rejects)
{
    const char *before = " (";

    fprintf(out->stream, "read      %s rows, %s bad", qn_show_count(rows).text,
            qn_show_count(bad).text);
    for (int32_t kind = 0; bad > 0 && kind < QN_REJECT_KINDS; kind++)
        if (rejects->count[kind] > 0) {
            fprintf(out->stream, "%s%s %s", before, qn_show_count(rejects->count[kind]).text,
                    qn_reject_name((qn_reject_kind)kind));
            before = ", ";
        }
    fputs(before[0] == ',' ? ")" : "", out->stream);
}

static void show_first(const qn_terminal *out, const char *what, const char *text)
{
    if (!text[0])
        return;
    fprintf(out->stream, "          first %s: ", what);
    show_text(out, text);
    fputc('\n', out->stream);
}

void qn_show_counts(const qn_terminal *out, const qn_ratings_counts *counts)
{
    show_rows_read(out, counts->rows_read, counts->rows_bad, &counts->rejects);
    if (counts->duplicates > 0)
        fprintf(out->stream, ", %s duplicates", qn_show_count(counts->duplicates).text);
    if (counts->bytes_read > 0)
        fprintf(out->stream, "; %s", qn_show_bytes((double)counts->bytes_read).text);
    fputc('\n', out->stream);
    show_first(out, "bad row", counts->first_reject);
}

void qn_show_table_counts(const qn_terminal *out, const qn_matrix_counts *counts)
{
    show_rows_read(out, counts->rows_read, counts->rows_bad, &counts->rejects);
    if (counts->rows_missing > 0)
        fprintf(out->stream, ", %s left out for a missing value",
                qn_show_count(counts->rows_missing).text);
    if (counts->bytes_read > 0)
        fprintf(out->stream, "; %s", qn_show_bytes((double)counts->bytes_read).text);
    fputc('\n', out->stream);
    show_first(out, "bad row", counts->first_reject);
    show_first(out, "missing value", counts->first_missing);
}

bool qn_shows_blocks(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);

        if (value && value[0])
            return strstr(value, "UTF-8") || strstr(value, "utf8");
    }
    return false;
}

/* Values beside their bars; more than these are cut into equal ranges. */
#define MAX_BARS 20

typedef struct histogram_bar {
    double low, high;
    int64_t count;
} histogram_bar;

static int32_t make_bars(int32_t n, const float *value, const int64_t *count,
                         histogram_bar bar[MAX_BARS])
{
    const int32_t n_bars = n < MAX_BARS ? n : MAX_BARS;
    const double width = ((double)value[n - 1] - (double)value[0]) / n_bars;

    for (int32_t b = 0; b < n_bars; b++)
        bar[b] = (histogram_bar){.low = (double)value[0] + b * width,
                                 .high = (double)value[0] + (b + 1) * width};
    for (int32_t i = 0; i < n; i++) {
        int32_t b = i;

        if (n > MAX_BARS) {
            b = (int32_t)(((double)value[i] - (double)value[0]) / width);
            b = b < n_bars ? b : n_bars - 1;
        } else {
            bar[b].low = (double)value[i];
        }
        bar[b].count += count[i];
    }
    return n_bars;
}

void qn_show_histogram(const qn_terminal *out, int32_t n, const float *value, const int64_t *count)
{
    const char *block = qn_shows_blocks() ? "\xE2\x96\x88" : "#";
    histogram_bar bar[MAX_BARS];
    int64_t most = 1, total = 0;
    int32_t n_bars;
    qn_text_table rows;

    if (n <= 0)
        return;
    n_bars = make_bars(n, value, count, bar);
    for (int32_t b = 0; b < n_bars; b++) {
        most = bar[b].count > most ? bar[b].count : most;
        total += bar[b].count;
    }
    qn_text_table_init(&rows, "rrrl");
    for (int32_t b = 0; b < n_bars; b++) {
        const int64_t length = (bar[b].count * BAR_COLUMNS + most - 1) / most;
        qn_string line = {0};

        if (n > MAX_BARS)
            qn_text_table_addf(&rows, "%.4g to %.4g", bar[b].low, bar[b].high);
        else
            qn_text_table_addf(&rows, "%.6g", bar[b].low);
        qn_text_table_add(&rows, qn_show_count(bar[b].count).text);
        qn_text_table_addf(&rows, "%.1f %%", 100.0 * (double)bar[b].count / (double)total);
        for (int64_t i = 0; i < length; i++)
            qn_string_add(&line, block);
        qn_text_table_add(&rows, qn_string_text(&line));
        qn_string_release(&line);
    }
    qn_text_table_print(&rows, out, false, "          ");
    qn_text_table_release(&rows);
}

void qn_show_dates(const qn_terminal *out, int64_t min, int64_t max)
{
    const int64_t seconds[2] = {min, max};

    if (min > max)
        return;
    for (int32_t i = 0; i < 2; i++) {
        const int64_t days = seconds[i] / 86400 - (seconds[i] % 86400 < 0);
        int32_t year, month, day;

        qn_date_from_days(days, &year, &month, &day);
        fprintf(out->stream, "%s%04d-%02d-%02d", i ? " to " : "", (int)year, (int)month, (int)day);
    }
}
