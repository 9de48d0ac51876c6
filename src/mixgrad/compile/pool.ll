; Threads that wait for work: `mg.share` hands it to them.
;
; A thread that has nothing to do looks for a while whether there is a new job, and then sleeps until it is woken. Who
; has a job works on it, too, and waits for nobody who has not begun: when the work is done, no more threads may join.
; There is one job at a time; who comes meanwhile works alone.

@lock = internal global [16 x i64] zeroinitializer  ; for all that follows, but for `busy` and `finished`
@wake = internal global [16 x i64] zeroinitializer
@busy = internal global i32 0      ; 1 while there is a job
@threads = internal global i64 0   ; that have been started
@jobs = internal global i64 0      ; so far
@work = internal global ptr null   ; what the present job is: a function of a record, where records begin,
@records = internal global ptr null
@stride = internal global i64 0    ; how far apart they are,
@count = internal global i64 0     ; how many, 0 when nobody may join any more,
@joined = internal global i64 0    ; how many are taken,
@finished = internal global i64 0  ; and by how many threads, the caller not counted, they have been worked on

declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_broadcast(ptr)
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_detach(i64)
declare i32 @sched_yield()
{declare_pause}

; There are no threads: at first, and in a child process.
define void @reset() {{
  call i32 @pthread_mutex_init(ptr @lock, ptr null)
  call i32 @pthread_cond_init(ptr @wake, ptr null)
  store i64 0, ptr @threads
  store i64 0, ptr @count
  store atomic i32 0, ptr @busy release, align 4
  ret void
}}

; Let threads call ``work(records + k * stride)`` for k < count, each k at most once, and 0 in any case.
define void @share(ptr %work, ptr %records, i64 %stride, i64 %count) {{
entry:
  %handle = alloca i64
  %several = icmp sgt i64 %count, 1
  br i1 %several, label %try, label %alone
try:
  %taken = cmpxchg ptr @busy, i32 0, i32 1 acquire monotonic
  %ours = extractvalue {{ i32, i1 }} %taken, 1
  br i1 %ours, label %more, label %alone
alone:
  call ptr %work(ptr %records)
  ret void
more:
  %threads = load i64, ptr @threads
  %others = add i64 %threads, 1
  %enough = icmp sge i64 %others, %count
  br i1 %enough, label %begin, label %start
start:
  %before = load i64, ptr @jobs
  %seen = inttoptr i64 %before to ptr
  %failed = call i32 @pthread_create(ptr %handle, ptr null, ptr @wait_for_work, ptr %seen)
  %is_there = icmp eq i32 %failed, 0
  br i1 %is_there, label %started, label %begin
started:
  %thread = load i64, ptr %handle
  call i32 @pthread_detach(i64 %thread)
  store i64 %others, ptr @threads
  br label %more
begin:
  call i32 @pthread_mutex_lock(ptr @lock)
  store ptr %work, ptr @work
  store ptr %records, ptr @records
  store i64 %stride, ptr @stride
  store i64 %count, ptr @count
  store i64 1, ptr @joined
  store atomic i64 0, ptr @finished monotonic, align 8
  %old = load i64, ptr @jobs
  %new = add i64 %old, 1
  store atomic i64 %new, ptr @jobs release, align 8
  call i32 @pthread_cond_broadcast(ptr @wake)
  call i32 @pthread_mutex_unlock(ptr @lock)
  call ptr %work(ptr %records)
  call i32 @pthread_mutex_lock(ptr @lock)
  store i64 0, ptr @count
  %joined = load i64, ptr @joined
  %awaited = sub i64 %joined, 1
  call i32 @pthread_mutex_unlock(ptr @lock)
  br label %look
look:
  %looks = phi i64 [ 0, %begin ], [ %next_look, %rest ]
  %finished = load atomic i64, ptr @finished acquire, align 8
  %is_over = icmp sge i64 %finished, %awaited
  br i1 %is_over, label %over, label %unfinished
unfinished:
  %next_look = add i64 %looks, 1
  %is_late = icmp sgt i64 %looks, {looks}
  br i1 %is_late, label %yield, label %rest
yield:
  call i32 @sched_yield()
  br label %rest
rest:
  {pause}
  br label %look
over:
  store atomic i32 0, ptr @busy release, align 4
  ret void
}}

; What a thread does: it has seen so many jobs.
define internal ptr @wait_for_work(ptr %first) {{
entry:
  %before = ptrtoint ptr %first to i64
  br label %idle
idle:
  %seen = phi i64 [ %before, %entry ], [ %present, %locked ], [ %present, %join ]
  br label %look
look:
  %looks = phi i64 [ 0, %idle ], [ %next_look, %rest ]
  %jobs = load atomic i64, ptr @jobs monotonic, align 8
  %is_new = icmp ne i64 %jobs, %seen
  %next_look = add i64 %looks, 1
  %is_late = icmp sgt i64 %looks, {looks}
  %enough = or i1 %is_new, %is_late
  br i1 %enough, label %awake, label %rest
rest:
  {pause}
  br label %look
awake:
  call i32 @pthread_mutex_lock(ptr @lock)
  br label %check
check:
  %present = load i64, ptr @jobs
  %is_old = icmp eq i64 %present, %seen
  br i1 %is_old, label %sleep, label %locked
sleep:
  call i32 @pthread_cond_wait(ptr @wake, ptr @lock)
  br label %check
locked:
  %joined = load i64, ptr @joined
  %count = load i64, ptr @count
  %may_join = icmp slt i64 %joined, %count
  %with_us = add i64 %joined, 1
  %work = load ptr, ptr @work
  %records = load ptr, ptr @records
  %stride = load i64, ptr @stride
  %now = select i1 %may_join, i64 %with_us, i64 %joined
  store i64 %now, ptr @joined
  call i32 @pthread_mutex_unlock(ptr @lock)
  br i1 %may_join, label %join, label %idle
join:
  %place = mul i64 %joined, %stride
  %own = getelementptr i8, ptr %records, i64 %place
  call ptr %work(ptr %own)
  atomicrmw add ptr @finished, i64 1 release
  br label %idle
}}
