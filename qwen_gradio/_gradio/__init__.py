"""The boundary to gradio_client: the only code that imports it, httpx or huggingface_hub.

gradio_client logs in, reads `/config` and `/info`, joins the queue, applies diffs, reports updates
and cancels, all with its own code: `SpaceClient` reads a Space, `ReplyClient` calls `submit` and
`Job.cancel`. It is written for one client per process, in threads that poll one another. What a
stream of fragments needs is different in these points, and in no others:

| gradio_client                      | here                             | why                     |
|------------------------------------|----------------------------------|-------------------------|
| connects, and builds an SSL        | `seam`: the name `httpx` in its  | one connection, one     |
| context (40 ms), for each request; | module passes requests of a      | proxy, limits on bytes  |
| has no limits; posts the config of | reply's thread to the reply's    | and time, aborting from |
| old apps, and the token, elsewhere | `Connection`, for one Space only | any thread, no leaks    |
| `build_hf_headers` asks the hub    | `seam`: the user agent, and the  | no request, no token    |
| about agents, reads a saved token  | token that was given             | that was not asked for  |
| `send_data` starts a reader, which | no reader (`stream_open`); a     | no polling, so no lag;  |
| fills queues that others poll      | copied endpoint's own            | what is not understood  |
| (`get_pred_from_sse_v1plus`)       | `_sse_fn_v1plus` reads the event | raises, and nothing can |
|                                    | stream with `stream_sse_v1plus`  | wait for ever           |
| three pools of threads             | one that runs jobs in the        | one thread per reply    |
|                                    | calling thread, two that raise   |                         |
| a `Communicator` keeps every       | keeps none, and hands updates    | memory, and no wait for |
| output, and queues updates         | on as they arrive                | an event loop           |
| `process_input_files` and          | leave the data as it is          | a Space's default could |
| `process_predictions` move files   |                                  | name a file of yours    |
| a `Client` per session reads the   | `ReplyClient` copies the one     | 10 microseconds, and no |
| Space and makes all its endpoints  | `SpaceClient`                    | request                 |
| `Client` starts a heartbeat        | `_get_config` asks for none      | a session is one reply  |
| `_telemetry_thread`                | does nothing                     | no request              |
| `Endpoint`s are made once, for     | also for what a page draws in    | a chat in `gr.render`   |
| `/config`                          | the reply's session              |                         |
| `/config` must have each component | `_get_config` adds entries       | pages work without some |
| `add_zero_gpu_headers` needs the   | the same for Spaces by URL, and  | no lookup, and no slow  |
| Space's name, and imports gradio   | only where gradio is imported    | import to find nothing  |

Closing the event stream stops a generator at its next yield, on Gradio 4.44, 5.49 and 6 alike. An
async function that awaits its model's answer stops only by `/cancel`: within 0.1 seconds, where it
went on for all of its 8 seconds without. So `Job.cancel()` is called as well.

The files build on one another in this order: `seam`, `events`, `errors`, `proxies`, `connection`,
`hub`, `space`, `updates`, `standins`, `reply`.
`tests/gradio/test_gradio_client.py` lists all names of gradio_client's that they rely on; a new
version fails there first.

Upstream has the same wish, to pass an httpx client in:
https://github.com/gradio-app/gradio/issues/7890, https://github.com/gradio-app/gradio/pull/7960
"""
