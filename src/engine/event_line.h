/* An event as one line of JSON and back: how workers hand events to one another and to the process
 * that supervises them. */
#ifndef QN_ENGINE_EVENT_LINE_H
#define QN_ENGINE_EVENT_LINE_H

#include "base/text.h"
#include "quern/event.h"

struct json_t;

/* Adds {"kind":"taskEnd",...} and a newline; fields that are 0 are left out. */
void qn_event_line_add(qn_string *out, const qn_event *event);
/* The event in a line of `length` bytes. Its texts are borrowed from *held, which the caller frees
 * with json_decref. False: it is none. */
bool qn_event_line_parse(const char *line, size_t length, qn_event *event, struct json_t **held);

#endif
