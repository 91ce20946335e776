/* Every limit of the service in one place, with its reason. Past a limit there is a clear
 * refusal, never a slowdown. A limit that an operator may change has its default here and its
 * key in the config's "limits" object (schema/). */
#ifndef ARENA_BASE_LIMITS_H
#define ARENA_BASE_LIMITS_H

/* --- JSON --- */
#define LIMIT_JSON_DEPTH 64 /* jansson recurses: deep nesting would spend a thread's stack */
#define LIMIT_CONFIG_BYTES (1 << 20) /* a config is written by hand */

/* --- HTTP --- */
#define LIMIT_BODY_BYTES (256 << 10)  /* a prompt at its maximum, escaped, and room to spare */
#define LIMIT_HEADER_BYTES (16 << 10) /* browsers send 1-2 KiB; more is an attack or a mistake */
/* below the usual 20,000 descriptors, with room for upstreams and files */
#define LIMIT_CONNECTIONS 8192
#define LIMIT_CONNECTIONS_PER_ADDRESS 4096 /* one proxy or one school may stand for many people */
/* total time to receive a request: a slow client holds no slot for ever */
#define LIMIT_REQUEST_SECONDS 30
#define LIMIT_IDLE_SECONDS 120     /* keep-alive without a request */
#define LIMIT_HEARTBEAT_SECONDS 10 /* only a write finds a client that disappeared */
/* total time to take a reply that is no stream: a slow reader goes too */
#define LIMIT_REPLY_SECONDS 120
/* a stream's reader that takes nothing of what waits is cut off; it may come back */
#define LIMIT_STALL_SECONDS 30
/* for replies under way at shutdown; the whole of it must take less than 5 */
#define LIMIT_STOP_SECONDS 3
/* of a refused body that are read and dropped, so that the refusal arrives */
#define LIMIT_DRAIN_BYTES (8 << 20)
#define LIMIT_IDEMPOTENCY_KEY 128    /* a UUID is 36 */
#define LIMIT_REPLAYS 512            /* replies kept in memory for requests that come again */
#define LIMIT_REPLAY_BYTES (8 << 20) /* all of them together */
/* then one is forgotten, for it may hold a secret: whoever did not ask again has given up */
#define LIMIT_REPLAY_SECONDS 900
/* of one whole completion: 8,192 tokens with 20 alternatives each take 20 MB */
#define LIMIT_LOGPROB_BYTES (32 << 20)

/* --- Battles --- */
#define LIMIT_PROMPT_BYTES (32 << 10) /* about 8,000 tokens: what the default context holds */
#define LIMIT_TURNS 50                /* as FastChat: a battle is a comparison, not a companion */
#define LIMIT_ANSWER_BYTES (1 << 20)  /* longer than any sane answer; a runaway model stops here */
#define LIMIT_EVENT_LOG_BYTES (4 << 20) /* one battle's stream, all turns */
#define LIMIT_VIEWERS 32                /* event streams open on one battle */
/* battles in memory: streaming, or ready and recently looked at */
#define LIMIT_BATTLES_LIVE 1024
#define LIMIT_STREAMING_PER_VOTER 1 /* who reads two battles at once reads neither */
#define LIMIT_COMMENT_BYTES 4096    /* feedback is a remark, not an essay */
#define LIMIT_BATTLE_HOURS 24       /* then an unvoted battle expires */
/* a pair of the queue that was handed out: then it goes to somebody else */
#define LIMIT_RESERVATION_MINUTES 30
/* figures of one battle that wait for its end: every turn's, and some asked again */
#define LIMIT_BATTLE_NOTES 256
#define LIMIT_SWAPS 2 /* competitors replaced in one battle before it is given up */
/* a lane that has said nothing by then has failed; queues and reasoning fit in */
#define LIMIT_FIRST_TOKEN_SECONDS 180
#define LIMIT_SILENCE_SECONDS 120 /* between two pieces of an answer that has begun */
/* a battle's opening waits no longer for being even: past it somebody leaves, blind or not */
#define LIMIT_EVEN_SECONDS 30
#define LIMIT_TURN_SECONDS 900 /* then what stands is the answer: every turn ends */
/* requests that wait for the one before them on the same battle */
#define LIMIT_WAITING_REQUESTS 16
/* a battle that nobody looks at leaves memory; the store has it */
#define LIMIT_BATTLE_IDLE_SECONDS 600
/* battles out of memory whose health figures wait for their end: about 6 MB */
#define LIMIT_BATTLES_OVERDUE 16384
#define LIMIT_REASONS 32 /* reasons of one feedback */

/* --- Store --- */
/* waiting writes; at 1,000 commits a second of 64 rows this is under 0.1 s */
#define LIMIT_WRITE_QUEUE 4096
#define LIMIT_WAL_BYTES (32 << 20) /* past it the writer checkpoints with TRUNCATE */
/* prepared statements kept by a connection: more than the code has */
#define LIMIT_STATEMENTS 256
/* a larger database is not read whole at start-up: a second's worth */
#define LIMIT_QUICK_CHECK_BYTES (256 << 20)
/* votes read in one go: longer reads would keep the log from being cut */
#define LIMIT_READ_ROWS 20000

/* --- Boards --- */
/* boards kept current (category x method): each holds its votes, 20 bytes a vote */
#define LIMIT_BOARDS 32

/* of a battle's prompts that its tagger reads: what it is about shows in the first 1,500 words */
#define LIMIT_TAG_PROMPT_BYTES 8192
#define LIMIT_TAG_QUEUE 16   /* battles read from the store to be tagged next: 128 KiB at most */
#define LIMIT_TAG_ATTEMPTS 3 /* then a battle that its tagger fails at waits for a restart */

/* --- The search for personal data by a model --- */
#define LIMIT_SEARCH_PIECE_BYTES 2048 /* of one question: small models lose the thread */
#define LIMIT_SEARCH_PIECES 64        /* of one battle: 128 KiB; the rest is counted as unread */
#define LIMIT_SEARCH_FINDS 256        /* of one battle: more than anybody looks at */
#define LIMIT_SEARCH_ATTEMPTS 3       /* that fail; then the next battle, and this one later */

/* --- Loop --- */
#define LIMIT_WORKER_QUEUE 1024 /* waiting jobs of the worker pool */

/* --- Competitors --- */
#define LIMIT_COMPETITORS 256 /* a board of more is unreadable, and pairs grow with the square */
#define LIMIT_CATALOGUE 4096  /* models of one provider; the largest gateways list some hundreds */
#define LIMIT_PRICES 64       /* changes of one model's price: years of them */
#define LIMIT_CAP 1000000     /* battles or votes of one on a day, answers at once: never reached */
#define LIMIT_OUTAGE_ANSWERS 20  /* the last ones that are looked at, */
#define LIMIT_OUTAGE_FAILURES 15 /* failures among them that take a model out of the draw, */
#define LIMIT_OUTAGE_SECONDS 300 /* and for how long until it is tried again */
#define LIMIT_REASON_BYTES 200   /* of why a model is paused: a line */
#define LIMIT_NAME_BYTES 128     /* competitor names, aliases, organisations */
/* one line or event of a provider's stream; whole answers come in one */
#define LIMIT_SSE_BYTES (8 << 20)
/* a whole stream: 1 MiB of answer in events of 60 times its size */
#define LIMIT_RESPONSE_BYTES (64 << 20)

/* --- Evaluations --- */
#define LIMIT_EVAL_RUNS 4                /* at work at once: they share the models and the keys */
#define LIMIT_EVAL_SPEC_BYTES (64 << 20) /* a specification with its prompts inside */
#define LIMIT_EVAL_PROMPTS 100000 /* of one run; the largest public sets have some thousands */
#define LIMIT_EVAL_PROMPT_BYTES (256 << 10) /* all turns of one: longer than most contexts */
#define LIMIT_EVAL_TEXT_BYTES (128 << 20)   /* all prompts of one run, which stay in memory */
#define LIMIT_EVAL_SIDES 64                 /* competitors of one run: 2,016 pairs a prompt */
#define LIMIT_EVAL_JUDGES 8
#define LIMIT_EVAL_SAMPLES 64
/* conversations, and pairs, of one run: about 60 bytes each in memory */
#define LIMIT_EVAL_PAIRS 1000000

/* --- People --- */
#define LIMIT_SESSIONS 100000 /* about 30 MB; a lab has hundreds */
/* browsers of one voter: past it the oldest is signed out, so that nobody takes everybody's room */
#define LIMIT_SESSIONS_PER_VOTER 20
#define LIMIT_API_KEYS 1024 /* searched one by one; a lab gives out tens */
/* requests for a key that wait for a decision: more than anybody reads, and 4 KB each */
#define LIMIT_ACCESS_REQUESTS 1000
/* that run at once: the queue is walked campaign by campaign */
#define LIMIT_CAMPAIGNS 64
#define LIMIT_ADDRESSES 16384    /* pairs of voter and address remembered for a day: 1.5 MB */
#define LIMIT_RATE_BUCKETS 65536 /* about 6 MB; past it a full bucket makes room */

#endif
