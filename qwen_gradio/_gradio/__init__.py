"""The boundary to gradio_client: the only code that imports it, httpx or huggingface_hub.

gradio_client logs in, reads `/config` and `/info`, joins the queue, applies diffs, reports updates
and cancels, all with its own code: `SpaceClient` reads a Space, `ReplyClient` calls `submit` and
`Job.cancel`. But it is designed for one client per process, and for threads that poll one another.
We depart from it in these points only:

| gradio_client                      | here                             | why                     |
|------------------------------------|----------------------------------|-------------------------|
| connects, and builds an SSL        | `seam`: the name `httpx` in its  | one connection, one     |
| context (40 ms), for each request; | module passes requests of a      | proxy, limits on bytes  |
| has no limits; posts the config of | reply's thread to the reply's    | and time, abort from    |
| old apps, and the token, elsewhere | `Connection`, for one Space only | any thread, no leaks    |
| `build_hf_headers` asks the Hub    | `seam`: the user agent, and the  | no request, no token    |
| about agents, reads a saved token  | caller's token                   | the caller did not pass |
| `send_data` starts a reader, which | no reader (`stream_open`); a     | no polling, so no lag;  |
| fills queues that others poll      | copied endpoint's own            | unknown messages raise, |
| (`get_pred_from_sse_v1plus`)       | `_sse_fn_v1plus` reads the event | and nothing can wait    |
|                                    | stream with `stream_sse_v1plus`  | forever                 |
| three thread pools                 | one that runs jobs in the        | one thread per reply    |
|                                    | calling thread, two that raise   |                         |
| a `Communicator` keeps every       | keeps none, and passes updates   | memory, and no wait for |
| output, and queues updates         | on as they arrive                | an event loop           |
| `process_input_files` and          | return the data unchanged        | a Space's default could |
| `process_predictions` move files   |                                  | name a file of yours    |
| a `Client` per session reads the   | `ReplyClient` copies the one     | 10 microseconds, and no |
| Space and makes all its endpoints  | `SpaceClient`                    | request                 |
| `Client` starts a heartbeat        | `_get_config` disables it        | a session is one reply  |
| `_telemetry_thread`                | does nothing                     | no request              |
| `Endpoint`s are made once, from    | also for functions that a page   | a chat in `gr.render`   |
| `/config`                          | draws in the reply's session     |                         |
| `/config` must have each component | `_get_config` adds entries       | some Spaces omit them   |
| `add_zero_gpu_headers` needs the   | also for Spaces by URL, and only | no lookup, and no slow  |
| Space's name, and imports gradio   | where gradio is imported already | import in vain          |

Closing the event stream stops a generator at its next yield, on Gradio 4.44, 5.49 and 6. But an
async function that awaits its model stops only on `/cancel`: within 0.1 seconds, instead of after
all of its 8 seconds. So `Job.cancel()` is called as well.

The files build on one another in this order: `seam`, `events`, `errors`, `proxies`, `connection`,
`hub`, `space`, `updates`, `standins`, `reply`.
`tests/gradio/test_gradio_client.py` lists every name of gradio_client that they use; a new version
fails there first.

Upstream has open requests for passing in an httpx client:
https://github.com/gradio-app/gradio/issues/7890, https://github.com/gradio-app/gradio/pull/7960
"""
