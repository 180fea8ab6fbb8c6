"""Django's ORM after `migrate` and `createsuperuser`."""

import datetime

import django

django.setup()

from django.contrib.auth.models import Group, Permission, User  # noqa: E402
from django.db import IntegrityError, connection, transaction  # noqa: E402
from django.db.models import Count  # noqa: E402
from django.db.models.functions import TruncYear  # noqa: E402

root = User.objects.get(username="root")
assert root.check_password("secret") and root.is_superuser
assert User.objects.filter(email__icontains="EXAMPLE").exists()
assert Permission.objects.filter(content_type__app_label="auth").count() == 12, "permissions"
try:
    with transaction.atomic():
        User.objects.create(username="root")
    raise AssertionError("a duplicate was taken")
except IntegrityError:
    pass
with transaction.atomic():
    group = Group.objects.create(name="g")
    group.permissions.set(Permission.objects.all()[:3])
    root.groups.add(group)
    try:
        with transaction.atomic():
            Group.objects.create(name="h")
            raise ValueError
    except ValueError:
        pass
assert list(Group.objects.annotate(n=Count("permissions")).values_list("name", "n")) == [("g", 3)]
User.objects.filter(pk=root.pk).update(last_login=datetime.datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=datetime.UTC))
root.refresh_from_db()
assert root.last_login.microsecond == 4, root.last_login
User.objects.update_or_create(username="eve", defaults={"email": "e@x"})
User.objects.bulk_create([User(username="a"), User(username="b")], ignore_conflicts=True)
assert User.objects.filter(username__in=["a", "b", "eve"]).count() == 3
Group.objects.all().delete()
assert User.objects.exclude(groups__name="g").count() == 4
introspected = connection.introspection
assert "auth_user" in introspected.table_names()
with connection.cursor() as cursor:
    keys = introspected.get_constraints(cursor, "auth_permission")
    assert any(key["foreign_key"] for key in keys.values()), keys
    columns = introspected.get_table_description(cursor, "auth_user")
    assert {column.name for column in columns} >= {"id", "username", "last_login"}
print("django: passed")
