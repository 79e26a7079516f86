#include "core/io/store.h"

#include "core/base/file.h"
#include "tests/support/check.h"
#include "tests/support/temp.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

static const pl_id key = {1, 2};

typedef struct fixture {
    pl_temp temp;
    pl_store *store;
    char entry[1024]; /* path of the entry that put_example writes */
} fixture;

static int set_up(void **state)
{
    static fixture f;
    pl_error err;
    char hex[PL_ID_TEXT];
    pl_temp_init(&f.temp);
    pl_check_ok(pl_store_open(pl_temp_path(&f.temp, "deep/store"), 0, &f.store, &err), err);
    pl_id_format(key, hex);
    snprintf(f.entry, sizeof f.entry, "%s/gram/%s", pl_store_folder(f.store), hex);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    pl_store_close(f->store);
    pl_temp_deinit(&f->temp);
    return 0;
}

static const double reals[] = {0.1, -2.5, 1e300};
static const signed char small[] = {1, -2, 3, 4, 5};

static void put_example(fixture *f)
{
    pl_error err;
    json_t *about = json_pack("{s:f, s:s}", "lambda", 0.1, "site", "q_proj");
    const pl_section sections[] = {
        {"reals", reals, sizeof reals}, {"none", NULL, 0}, {"small", small, sizeof small}};
    pl_check_ok(pl_store_put(f->store, "gram", key, about, sections, 3, &err), err);
    json_decref(about);
}

static void entries_come_back(void **state)
{
    fixture *f = *state;
    pl_error err;
    pl_entry *entry = NULL;
    assert_false(pl_store_has(f->store, "gram", key));
    assert_int_equal(pl_store_get(f->store, "gram", key, &entry, &err), PL_ERR_NOT_FOUND);
    assert_null(entry);
    assert_int_equal(access(pl_store_folder(f->store), F_OK), -1); /* made by the first put */
    put_example(f);
    assert_true(pl_store_has(f->store, "gram", key));
    pl_check_ok(pl_store_get(f->store, "gram", key, &entry, &err), err);
    expect_close(json_real_value(json_object_get(pl_entry_about(entry), "lambda")), 0.1, 0);
    assert_int_equal(pl_entry_section_bytes(entry, "reals"), sizeof reals);
    assert_int_equal(pl_entry_section_bytes(entry, "none"), 0);
    assert_int_equal(pl_entry_section_bytes(entry, "absent"), SIZE_MAX);
    double out[3];
    signed char bytes[5];
    pl_check_ok(pl_entry_read(entry, "reals", out, sizeof out, &err), err);
    assert_memory_equal(out, reals, sizeof out);
    pl_check_ok(pl_entry_read(entry, "small", bytes, sizeof bytes, &err), err);
    assert_memory_equal(bytes, small, sizeof bytes);
    pl_check_ok(pl_entry_read(entry, "none", NULL, 0, &err), err);
    assert_int_equal(pl_entry_read(entry, "small", bytes, 4, &err), PL_ERR_FORMAT);
    pl_check_says(err, "section 'small' has 5 bytes, expected 4");
    assert_int_equal(pl_entry_read(entry, "absent", bytes, 4, &err), PL_ERR_FORMAT);
    pl_check_says(err, "no section 'absent'");

    /* Being used or removed by somebody else does not disturb an open entry. */
    pl_entry *again = NULL;
    pl_check_ok(pl_store_get(f->store, "gram", key, &again, &err), err);
    pl_entry_close(again);
    pl_check_ok(pl_store_remove(f->store, "gram", key, &err), err);
    assert_false(pl_store_has(f->store, "gram", key));
    pl_check_ok(pl_entry_read(entry, "reals", out, sizeof out, &err), err);
    pl_entry_close(entry);
    pl_entry_close(NULL);
    pl_check_ok(pl_store_remove(f->store, "gram", key, &err), err);
    assert_int_equal(pl_store_put(f->store, "../x", key, NULL, NULL, 0, &err), PL_ERR_USAGE);
    pl_check_says(err, "no kind of entry");
}

static pl_status read_all(fixture *f, pl_error *err)
{
    pl_entry *entry = NULL;
    double out[3];
    signed char bytes[5];
    pl_status status = pl_store_get(f->store, "gram", key, &entry, err);
    if (status == PL_OK) {
        status = pl_entry_read(entry, "reals", out, sizeof out, err);
    }
    if (status == PL_OK) {
        status = pl_entry_read(entry, "small", bytes, sizeof bytes, err);
    }
    pl_entry_close(entry);
    return status;
}

/* Any byte flipped, or any cut, is noticed with the file's name; a new put then repairs it. */
static void damage_is_noticed_and_repaired(void **state)
{
    fixture *f = *state;
    pl_error err;
    char *good = NULL;
    size_t size = 0, unnoticed = 0;
    put_example(f);
    pl_check_ok(pl_file_read_all(f->entry, 1 << 20, &good, &size, &err), err);
    for (size_t at = 0; at < size; at++) {
        good[at] ^= 0x10;
        pl_check_ok(pl_file_write_all(f->entry, good, size, &err), err);
        good[at] ^= 0x10;
        pl_status status = read_all(f, &err);
        if (status == PL_OK) {
            unnoticed++; /* the zeros between sections carry nothing */
            continue;
        }
        assert_int_equal(status, PL_ERR_FORMAT);
        pl_check_says(err, "damaged store entry");
        pl_check_says(err, f->entry);
    }
    expect_less(unnoticed, 2 * 64);
    for (size_t cut = 0; cut < size; cut += cut < 70 ? 1 : 37) {
        pl_check_ok(pl_file_write_all(f->entry, good, cut, &err), err);
        assert_int_equal(read_all(f, &err), PL_ERR_FORMAT);
        pl_check_says(err, "damaged store entry");
    }
    free(good);
    put_example(f);
    pl_check_ok(read_all(f, &err), err);
}

static void a_renamed_entry_is_damaged(void **state)
{
    fixture *f = *state;
    pl_error err;
    char other[1100];
    pl_entry *entry = NULL;
    put_example(f);
    pl_id wrong = {1, 3};
    char hex[PL_ID_TEXT];
    pl_id_format(wrong, hex);
    snprintf(other, sizeof other, "%s/gram/%s", pl_store_folder(f->store), hex);
    assert_int_equal(rename(f->entry, other), 0);
    assert_int_equal(pl_store_get(f->store, "gram", wrong, &entry, &err), PL_ERR_FORMAT);
    pl_check_says(err, "written under another name");
}

static void a_sound_entry_is_kept(void **state)
{
    fixture *f = *state;
    struct stat before, after;
    put_example(f);
    assert_int_equal(stat(f->entry, &before), 0);
    put_example(f);
    assert_int_equal(stat(f->entry, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
}

static void put_sized(fixture *f, uint64_t number, long used)
{
    static const char bytes[10000];
    pl_error err;
    char path[1100], hex[PL_ID_TEXT];
    const pl_section section = {"x", bytes, sizeof bytes};
    pl_id id = {7, number};
    pl_check_ok(pl_store_put(f->store, "solve", id, NULL, &section, 1, &err), err);
    pl_id_format(id, hex);
    snprintf(path, sizeof path, "%s/solve/%s", pl_store_folder(f->store), hex);
    const struct timespec times[2] = {{.tv_sec = used}, {.tv_sec = used}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void trim_removes_the_least_recently_used(void **state)
{
    fixture *f = *state;
    pl_error err;
    char leftover[1100];
    pl_store_close(f->store);
    pl_check_ok(pl_store_open(pl_temp_path(&f->temp, "lru"), 35000, &f->store, &err), err);
    pl_check_ok(pl_store_trim(f->store, &err), err); /* nothing there yet */
    for (uint64_t i = 0; i < 6; i++) {
        put_sized(f, i, 1000 + (long)i);
    }
    snprintf(leftover, sizeof leftover, "%s/solve/%032d.planish-0123abcd",
             pl_store_folder(f->store), 0);
    pl_check_ok(pl_file_write_all(leftover, "x", 1, &err), err);

    pl_check_ok(pl_store_pin(f->store, "solve", (pl_id){7, 0}, &err), err);
    pl_check_ok(pl_store_pin(f->store, "solve", (pl_id){7, 0}, &err), err);
    pl_entry *entry = NULL;
    pl_check_ok(pl_store_get(f->store, "solve", (pl_id){7, 1}, &entry, &err), err); /* used now */
    pl_entry_close(entry);
    pl_check_ok(pl_store_trim(f->store, &err), err);
    static const int kept[] = {1, 1, 0, 0, 0, 1};
    for (uint64_t i = 0; i < 6; i++) {
        assert_int_equal(pl_store_has(f->store, "solve", (pl_id){7, i}), kept[i]);
    }
    assert_int_equal(access(leftover, F_OK), -1);
    pl_check_ok(pl_store_trim(f->store, &err), err);
    assert_true(pl_store_has(f->store, "solve", (pl_id){7, 5}));
}

static void a_store_that_cannot_be_is_a_sentence(void **state)
{
    fixture *f = *state;
    pl_error err;
    pl_store *store = NULL;
    pl_temp_write(&f->temp, "plain", "", 0);
    assert_int_equal(pl_store_open(f->temp.path, 0, &store, &err), PL_ERR_IO);
    assert_null(store);
    pl_check_says(err, "plain: the store expected a folder");
    pl_check_ok(pl_store_open(pl_temp_path(&f->temp, "plain/sub"), 0, &store, &err), err);
    assert_int_equal(pl_store_put(store, "gram", key, NULL, NULL, 0, &err), PL_ERR_IO);
    pl_check_says(err, "the store keeps no result: ");
    pl_check_says(err, "cannot be created");
    pl_store_close(store);
    pl_store_close(NULL);
}

static void the_default_folder(void **state)
{
    fixture *f = *state;
    pl_error err;
    pl_store *store = NULL;
    char expected[1100];
    setenv("XDG_CACHE_HOME", f->temp.folder, 1);
    pl_check_ok(pl_store_open(NULL, 0, &store, &err), err);
    snprintf(expected, sizeof expected, "%s/planish", f->temp.folder);
    assert_string_equal(pl_store_folder(store), expected);
    pl_store_close(store);
    unsetenv("XDG_CACHE_HOME");
    setenv("HOME", "/somewhere", 1);
    pl_check_ok(pl_store_open(NULL, 0, &store, &err), err);
    assert_string_equal(pl_store_folder(store), "/somewhere/.cache/planish");
    pl_store_close(store);
    unsetenv("HOME");
    assert_int_equal(pl_store_open(NULL, 0, &store, &err), PL_ERR_IO);
    pl_check_says(err, "XDG_CACHE_HOME");
}

/* After so long a file's time is another one. */
static const struct timespec a_tick = {.tv_nsec = 10000000};

/* The fixture's store is of another folder from here on, and *other, too; there is room for
 * nothing. */
static void open_two(fixture *f, const char *name, pl_store **other)
{
    pl_error err;
    char folder[1100];
    snprintf(folder, sizeof folder, "%s", pl_temp_path(&f->temp, name));
    pl_store_close(f->store);
    pl_check_ok(pl_store_open(folder, 1, &f->store, &err), err);
    pl_check_ok(pl_store_open(folder, 1, other, &err), err);
}

/* What a command that runs has used stays, whichever store object trims; then it goes. */
static void what_is_in_use_stays(void **state)
{
    fixture *f = *state;
    pl_error err;
    pl_store *other = NULL;
    open_two(f, "used", &other);
    put_sized(f, 0, 1000);
    put_sized(f, 1, 1000);
    put_sized(f, 2, 1000);
    pl_store_begin(f->store);
    assert_true(pl_store_has(f->store, "solve", (pl_id){7, 1})); /* whoever asks will want it */
    pl_check_ok(pl_store_trim(other, &err), err);
    assert_false(pl_store_has(other, "solve", (pl_id){7, 0}));
    assert_true(pl_store_has(other, "solve", (pl_id){7, 1}));
    put_sized(f, 2, 1000);
    pl_check_ok(pl_store_pin(f->store, "solve", (pl_id){7, 2}, &err), err);
    pl_store_begin(f->store); /* what is pinned stays wanted by the next command */
    pl_check_ok(pl_store_trim(other, &err), err);
    assert_true(pl_store_has(other, "solve", (pl_id){7, 2}));
    pl_store_close(f->store);
    f->store = NULL;
    nanosleep(&a_tick, NULL);
    pl_store_begin(other);
    assert_true(pl_store_make_room(other, 1));
    pl_check_ok(pl_store_trim(other, &err), err);
    assert_false(pl_store_has(other, "solve", (pl_id){7, 1}));
    assert_false(pl_store_has(other, "solve", (pl_id){7, 2}));
    pl_store_close(other);
}

/* A command that began before there was a folder: what it found in the meantime is wanted, too. */
static void what_was_found_before_the_first_put_stays(void **state)
{
    fixture *f = *state;
    pl_error err;
    pl_store *other = NULL;
    open_two(f, "late", &other);
    pl_store_begin(f->store);
    pl_store *mine = f->store;
    f->store = other;
    put_sized(f, 0, 1000);
    f->store = mine;
    assert_true(pl_store_has(mine, "solve", (pl_id){7, 0}));
    nanosleep(&a_tick, NULL);
    put_sized(f, 1, 1000);
    pl_store_begin(other);
    pl_check_ok(pl_store_trim(other, &err), err);
    assert_true(pl_store_has(mine, "solve", (pl_id){7, 0}));
    pl_store_close(other);
}

/* Where all that nobody wants would not do, it stays; a process whose folder was removed is seen
 * again; and a command's own entries are safe from itself. */
static void what_would_not_do_stays(void **state)
{
    fixture *f = *state;
    pl_error err;
    pl_store *other = NULL;
    char command[1200];
    open_two(f, "room", &other);
    put_sized(f, 0, 1000);
    nanosleep(&a_tick, NULL);
    pl_store_begin(f->store);
    assert_false(pl_store_make_room(other, UINT64_MAX / 4));
    assert_true(pl_store_has(f->store, "solve", (pl_id){7, 0}));
    snprintf(command, sizeof command, "rm -rf '%s'", pl_store_folder(f->store));
    assert_int_equal(system(command), 0);
    put_example(f);
    pl_check_ok(pl_store_trim(other, &err), err);
    assert_true(pl_store_has(f->store, "gram", key));
    pl_check_ok(pl_store_trim(f->store, &err), err);
    assert_true(pl_store_has(f->store, "gram", key));
    pl_store_close(other);
}

typedef struct trimmer {
    pl_store *store;
    atomic_bool end;
} trimmer;

static void *trim_on_and_on(void *arg)
{
    trimmer *t = arg;
    pl_status status = PL_OK;
    while (!atomic_load(&t->end) && status == PL_OK) {
        status = pl_store_trim(t->store, NULL);
    }
    return NULL;
}

/* Another trims while command after command begins: no moment is left in between. */
static void what_is_pinned_stays_while_commands_begin(void **state)
{
    enum { ENTRIES = 8, COMMANDS = 100 };
    fixture *f = *state;
    pl_error err;
    trimmer other = {0};
    pthread_t thread;
    open_two(f, "begins", &other.store);
    for (uint64_t i = 0; i < ENTRIES; i++) {
        put_sized(f, i, 1000);
        pl_check_ok(pl_store_pin(f->store, "solve", (pl_id){7, i}, &err), err);
    }
    pl_store_begin(f->store);
    assert_int_equal(pthread_create(&thread, NULL, trim_on_and_on, &other), 0);
    for (int i = 0; i < COMMANDS; i++) {
        nanosleep(&a_tick, NULL);
        pl_store_begin(f->store);
    }
    atomic_store(&other.end, true);
    pthread_join(thread, NULL);
    for (uint64_t i = 0; i < ENTRIES; i++) {
        assert_true(pl_store_has(f->store, "solve", (pl_id){7, i}));
    }
    pl_store_close(other.store);
}

static void check_kept(pl_store *store, pl_id id, float want)
{
    pl_error err;
    pl_entry *entry = NULL;
    float value = 0;
    assert_true(pl_store_has(store, "gram", id));
    pl_check_ok(pl_store_get(store, "gram", id, &entry, &err), err);
    pl_check_ok(pl_entry_read(entry, "x", &value, sizeof value, &err), err);
    pl_entry_close(entry);
    pl_check_close(value, want, 0, 0);
}

/* Where nothing can be written, memory serves, up to its limit; one sentence says so. */
static void what_the_disk_refuses_stays_in_memory(void **state)
{
    fixture *f = *state;
    pl_error err;
    pl_store *store = NULL;
    static const float large[100000];
    float value = 3;
    const pl_section section = {"x", &value, sizeof value};
    const pl_section too_large = {"x", large, sizeof large};
    pl_temp_write(&f->temp, "file", "", 0);
    pl_check_ok(pl_store_open(pl_temp_path(&f->temp, "file/sub"), 0, &store, &err), err);
    pl_store_keep_at_most(store, 300000);
    pl_store_begin(store);
    pl_check_ok(pl_store_put(store, "gram", key, NULL, &section, 1, &err), err);
    check_kept(store, key, 3);
    value = 4;
    pl_check_ok(pl_store_put(store, "gram", key, NULL, &section, 1, &err), err);
    check_kept(store, key, 3); /* a sound one is kept */
    pl_check_ok(pl_store_replace(store, "gram", key, NULL, &section, 1, &err), err);
    check_kept(store, key, 4);
    char *notice = pl_store_take_notice(store);
    assert_non_null(notice);
    assert_non_null(strstr(notice, "nothing more is kept on disk"));
    assert_non_null(strstr(notice, "file/sub"));
    assert_non_null(strstr(notice, "--store DIR"));
    free(notice);
    assert_int_equal(pl_store_put(store, "gram", (pl_id){9, 9}, NULL, &too_large, 1, &err),
                     PL_ERR_IO);
    pl_check_says(err, "the store keeps no result: ");
    pl_check_says(err, "make room there or make it writable, or name another folder with --store "
                       "DIR");
    assert_false(pl_store_has(store, "gram", (pl_id){9, 9}));
    pl_check_ok(pl_store_remove(store, "gram", key, &err), err);
    assert_false(pl_store_has(store, "gram", key));
    pl_entry *entry = NULL;
    assert_int_equal(pl_store_get(store, "gram", key, &entry, &err), PL_ERR_NOT_FOUND);
    pl_check_ok(pl_store_put(store, "gram", key, NULL, &section, 1, &err), err);
    check_kept(store, key, 4);
    assert_null(pl_store_take_notice(store));
    pl_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(entries_come_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damage_is_noticed_and_repaired, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_renamed_entry_is_damaged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_sound_entry_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(trim_removes_the_least_recently_used, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_store_that_cannot_be_is_a_sentence, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_in_use_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_found_before_the_first_put_stays, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_would_not_do_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_pinned_stays_while_commands_begin, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_the_disk_refuses_stays_in_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_default_folder, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
